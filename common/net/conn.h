/* SPDX-License-Identifier: MIT
 *
 * One connection: its place in the lists, what it has yet to send, its protocol and transport.
 * Knows its endpoint and nobody above that. conn.c is the top of the files conn*.c:
 * conn_state.c writes the state, conn_in.c reads, conn_out.c writes by way of conn_cork.c and
 * conn_queue.c, conn_close.c ends politely. States only go forward:
 *
 *   OPENING: the protocol's handshake runs.
 *
 *   OPEN: messages flow.
 *
 *   CLOSING: something said goodbye; what is queued goes out, the peer's end is awaited. It
 *   lasts close_timeout at most, counted anew while the peer takes some of the queue.
 *
 *   ENDED: nothing is read or written any more; on_close is due at the next turn of the loop.
 *
 * on_close, and all that frees, happens in settle_now(), never inside a callback of the app:
 * so a crew_conn pointer stays valid until the callback that destroyed it has returned. An idle
 * connection owns no buffer.
 */
#ifndef CREWMAN_CONN_H
#define CREWMAN_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "conns.h"
#include "crewman.h"
#include "endpoint.h"
#include "liveness.h"
#include "protocol.h"
#include "sendq.h"

enum conn_state { CONN_OPENING, CONN_OPEN, CONN_CLOSING, CONN_ENDED };

/* To whom the next byte belongs. Only forward, too. */
enum conn_layer { LAYER_PREFACE, LAYER_TRANSPORT, LAYER_PROTOCOL };

/* Bytes that came and are not consumed: an unfinished handshake, or what was read before a
 * pause. */
struct stash {
    size_t len, capacity;
    char data[];
};

struct crew_conn {
    struct list in_all;
    struct liveness_node liveness;
    crew_id id;
    struct endpoint *endpoint;
    const struct protocol *protocol;
    union protocol_state as; /* the protocol's own */
    struct sendq out;
    struct stash *stash;
    struct outstanding *outstanding; /* NULL: nobody waits for what the peer acknowledges */
    struct address *client;          /* who a trusted proxy says it is; NULL: `peer` */
    struct crew_conn *next_due;      /* see settle_now() */
    struct app_data app_data;
    uint64_t bytes_in, bytes_out, messages_in, messages_out;
    uint32_t accepted_s;    /* loop seconds */
    uint32_t probe_sent_ms; /* loop milliseconds, low 32 bits */
    int32_t rtt_ms;         /* -1: not known yet */
    uint32_t rate_count;
    uint16_t rate_second; /* of the loop, low bits */
    int16_t error;        /* for on_error just before on_close; 0: none */
    uint32_t held;        /* see conn_held.h */
    int fd;
    struct address peer; /* who is at the other end; behind a PROXY header who that says */
    /* See crew_conn_close_code(); of one that is turned away the HTTP status that says why. */
    uint16_t close_code;
    uint8_t state;      /* enum conn_state; written by conn_set_state() */
    uint8_t layer;      /* enum conn_layer */
    uint8_t reason : 4; /* enum crew_close_reason, once it is CLOSING */
    uint8_t awaits : 3; /* enum deadline: what the protocol awaits of the peer */
    uint8_t polled : 3; /* what its socket is watched for: POLLER_… */
    bool is_paused : 1;
    bool is_backlogged : 1;   /* enough is stashed: do not read on */
    bool holds_back : 1;      /* the protocol goes on with the stash in a later turn */
    bool is_gathering : 1;    /* its queue waits for the end of the turn, not for the kernel */
    bool is_listed : 1;       /* in conns.gathered */
    bool is_due : 1;          /* on the list of settle_now() */
    bool is_admitted : 1;     /* counted among the connections of its address */
    bool is_turned_away : 1;  /* there was no place for it: see turned_away.h */
    bool is_unnamed : 1;      /* a proxy's own: its PROXY header names no client */
    bool is_announced : 1;    /* on_connect was called */
    bool is_probed : 1;       /* a probe has no answer yet */
    bool is_over : 1;         /* above the high-water mark: on_buffer_full was called */
    bool has_eof : 1;         /* the peer has sent its last byte */
    bool has_hung_up : 1;     /* the same, but what came before that is not read yet */
    bool has_goodbye : 1;     /* the peer has said the protocol's goodbye */
    bool is_garbled : 1;      /* what it says cannot be understood any more */
    bool is_shut : 1;         /* our last byte has gone: shutdown(2) */
    bool last_was_binary : 1; /* kind of the last message received */
    bool has_timers : 1;      /* the app has set some that end with it */
};

/* The app has recognized its client. 0, CREW_ECLOSED. */
int conn_authenticate(struct crew_conn *conn);

/* Bring a connection into the world in memory of conn_allocate(), around an
 * accepted, non-blocking socket (or none, -1): its preface and its transport come up, it is
 * announced, its protocol begins. -ENOMEM or another negative error: memory and `fd` are the
 * caller's again. After 0 the memory is freed behind endpoint_ops.ended(). */
int conn_adopt(struct crew_conn *conn, struct endpoint *endpoint, int fd,
               const struct address *peer);

/* The same in memory of its own. */
int conn_open(struct endpoint *endpoint, int fd, const struct address *peer);

/* Zeroed memory becomes the connection that a peer has for one datagram: without an id, ENDED,
 * never announced. */
void conn_lend(struct crew_conn *conn, struct endpoint *endpoint, const struct address *peer);

/* The protocol's handshake is done: OPENING → OPEN. `response` (NULL: none) goes before
 * anything that the app has sent already. Calls on_open. */
void conn_opened(struct crew_conn *conn, const char *response, size_t len);

/* One message for the app; `data` may be changed by it. Counts it, answers client_ping, holds
 * message_rate. */
void conn_deliver(struct crew_conn *conn, char *data, size_t len, enum crew_msg_type type);

/* May the protocol go on handing out messages? Not while paused, closing or ended. */
static inline bool conn_is_reading(const struct crew_conn *conn) {
    return conn->state <= CONN_OPEN && !conn->is_paused;
}

/* A message is complete: what has begun behind it is another, with a time of its own. */
static inline void conn_note_complete(struct crew_conn *conn) {
    conn->liveness.seen = UINT32_MAX;
}

/* The last step, from settle_now(): on_error, on_close, destructor; frees it. */
void conn_bury(struct crew_conn *conn);

/* Hand the stash to the protocol again, from settle_now() after a resume. */
void conn_take_up(struct crew_conn *conn);

/* The socket is what it was watched for, POLLER_…; see poller_open(). */
void conn_ready(void *conn, int events);

/* Of an idle connection it is nearly all that it costs; malloc(3) rounds up to 16 less 8. */
_Static_assert(sizeof(struct crew_conn) <= 312, "an idle connection has grown");
_Static_assert(CREW_CLOSE_MEMORY < 16 && DEADLINE_COUNT <= 8,
               "a field of a connection is short");

static inline struct conns *conns_of(const struct crew_conn *conn) {
    return conn->endpoint->conns;
}

/* Who is at the other end for whoever counts or names peers: the client that a trusted proxy
 * names, else the peer itself. */
static inline const struct address *conn_address(const struct crew_conn *conn) {
    return conn->client ? conn->client : &conn->peer;
}

/* "opening", "open", "paused", "closing" or "ended". */
const char *conn_state_name(const struct crew_conn *conn);

#endif
