/* SPDX-License-Identifier: MIT
 *
 * A transport without a kernel, for tests: the other end of a connection is a struct peer that
 * the test owns. What it sends is read from there, what it is sent is kept there; how much room
 * the "kernel" has, what is acknowledged and which call fails is what the test says. Nothing
 * here waits or knows the time.
 */
#ifndef CREWMAN_TEST_MEMORY_H
#define CREWMAN_TEST_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "transport.h"

struct crew_conn;

struct peer {
    const char *name;
    struct crew_conn *conn; /* NULL before it, and once its transport is closed */
    struct bytes in;        /* what the peer has sent */
    size_t taken;           /* how much of that was read */
    size_t piece;           /* one read gets so much at most; 0: any */
    bool has_ended;         /* the peer will send no more */
    bool has_news;          /* something came since the last read: what hides needs it */
    int read_error, write_error, start_error; /* what the next such call fails with; 0: none */
    int starts_left;    /* how often `start` answers that it is not done yet */
    size_t start_takes; /* bytes of the transport's own, before those of the protocol */
    struct bytes out;   /* what the peer was sent */
    size_t room;        /* what the kernel takes still */
    size_t writes;      /* of which something was taken */
    size_t refused;     /* that found no room */
    int64_t unsent;     /* not acknowledged; negative: cannot be told */
    int interest;
    bool is_shut, is_closed;
};

/* Announces what came as a socket does, level-triggered. */
extern const struct transport transport_memory;

/* Announces only what is new: what one read leaves is known to has_more() alone (TLS). */
extern const struct transport transport_memory_hiding;

/* Room without end, all acknowledged. */
void peer_init(struct peer *peer, const char *name);
void peer_done(struct peer *peer);

/* The next connection that is adopted in `conn` is this peer's. */
void peer_attach(struct peer *peer, struct crew_conn *conn);

/* It will be found at the next look for events. */
void peer_put(struct peer *peer, const void *data, size_t len);
void peer_end(struct peer *peer);

/* What its connection would be told now, POLLER_…. */
int peer_events(const struct peer *peer);

/* Is this the first of what it was sent? */
bool peer_begins_with(const struct peer *peer, const char *text);

/* Forget what was sent to it so far. */
void peer_forget(struct peer *peer);

#endif
