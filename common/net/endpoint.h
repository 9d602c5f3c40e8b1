/* SPDX-License-Identifier: MIT
 *
 * An endpoint is what connections of one kind share in a process: settings, the door to the
 * app, transport, protocol, time lists. A listener has one, and so have a dialler and the hub's
 * link. A connection points to its endpoint and knows nothing of who owns that: events go up
 * through `ops` and `handler`. Owned by the service, which embeds it.
 */
#ifndef CREWMAN_ENDPOINT_H
#define CREWMAN_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conns.h"
#include "handler.h"
#include "liveness.h"
#include "protocol.h"
#include "reaper.h"
#include "transport.h"

struct crew_conn;

/* Fixed for the endpoint's life; texts are borrowed. Times in milliseconds, 0: off. */
struct endpoint_settings {
    uint64_t ping_interval_ms, idle_timeout_ms;
    uint64_t auth_timeout_ms; /* see guests.h */
    uint64_t deadline_ms[DEADLINE_COUNT];
    uint64_t send_timeout_ms;
    const char *ping_data;                 /* "": the protocol's own probe, or none */
    const char *client_ping, *client_pong; /* "": none */
    size_t max_message;
    uint32_t message_min; /* bytes of an unfinished message in each DEADLINE_MESSAGE */
    size_t max_send_buffer;
    size_t stash_max;      /* of unprocessed input that is kept; more stays in the kernel */
    uint32_t message_rate; /* messages a second of one connection; 0: any */
};

/* What becomes of a connection once its peer is known. */
enum endpoint_verdict {
    ENDPOINT_ADMIT,
    ENDPOINT_TURN_AWAY, /* its protocol says so, and it closes politely: turned_away.h */
    ENDPOINT_REFUSE     /* it ends at once, without a word */
};

/* Events to the endpoint's owner. */
struct endpoint_ops {
    /* Its peer is known: may it stay? Whom it turns away is told the HTTP status *out_status,
     * where the protocol can say it. */
    enum endpoint_verdict (*admits)(struct crew_conn *conn, int *out_status);
    /* It has ended and is about to be freed; its transport is closed. */
    void (*ended)(struct crew_conn *conn);
};

struct endpoint {
    struct conns *conns; /* of this loop */
    const struct endpoint_ops *ops;
    const struct handler *handler;
    const struct transport *transport;
    const struct protocol *protocol; /* that a connection begins with */
    const struct preface *preface;   /* what comes before that, or NULL: see protocol.h */
    struct endpoint_settings settings;
    struct reaper reaper;
    void *conn_data;    /* that a connection begins with: crew_conn_data() */
    size_t state_size;  /* of the app's state behind each connection: conn_app_state() */
    size_t cork_max;    /* see conn_cork.h; set by endpoint_start() */
    size_t count;       /* connections, from conn_adopt() until they are freed */
    size_t turned_away; /* of them: see turned_away.h */
    /* Only a dialler sets it: decides whether a connection begins by connecting, and which side
     * of the protocol it speaks. */
    bool is_client;
    bool probes; /* who is silent is sent something */
};

/* Its connections without those that are being turned away: what a limit is compared with. */
static inline size_t endpoint_live(const struct endpoint *endpoint) {
    return endpoint->count - endpoint->turned_away;
}

/* `endpoint` has all but the reaper set: set up its time lists and start to watch them. 0, or a
 * libuv error. */
int endpoint_start(struct endpoint *endpoint);

/* Its connections are no longer watched; the loop must be run once more to close the timer. */
void endpoint_stop(struct endpoint *endpoint);

#endif
