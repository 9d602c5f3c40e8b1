/* SPDX-License-Identifier: MIT
 *
 * The watch over what a connection was sent and its peer has not acknowledged, while somebody
 * waits for that: its queue is not empty, its probe lies behind other bytes (the mark), the app
 * has paused it, or its answer goes on for ever and nothing else tells of its peer. It is
 * looked at once a tick; an idle connection has none. Positions count the bytes that the
 * transport took. What a look means, reaper.c decides.
 */
#ifndef CREWMAN_OUTSTANDING_H
#define CREWMAN_OUTSTANDING_H

#include <stdbool.h>
#include <stdint.h>

#include "list.h"

struct crew_conn;

struct outstanding {
    struct list in_reaper;
    struct crew_conn *conn;
    uint64_t acknowledged; /* position: so much is surely the peer's */
    uint64_t mark;         /* position behind the probe; 0: there is none */
    /* Ticks: of the last look that found more acknowledged, or nothing left to acknowledge; of
     * the beginning of the queue, of the pause, of the stream, and of the look that found the
     * mark passed. */
    uint32_t progressed, queued, paused, streamed, passed;
    bool has_passed, is_stream;
};

/* The queue, or the pause, begins: watch it from now on. 0 or -ENOMEM. */
int outstanding_watch_queue(struct crew_conn *conn);
int outstanding_watch_pause(struct crew_conn *conn);

/* A piece of an answer is about to be written: until all is acknowledged. */
int outstanding_watch_stream(struct crew_conn *conn);

/* The probe, if any, has just been sent: all up to here the peer must have before it can
 * answer. 0 or -ENOMEM. */
int outstanding_mark(struct crew_conn *conn);

/* Nobody waits any more; harmless twice. */
void outstanding_forget(struct crew_conn *conn);

/* One look: was more acknowledged than at the last? */
bool outstanding_look(struct outstanding *outstanding);

/* Has the peer yet to acknowledge something: of what the transport took, or of a queue that
 * waits for it? */
bool outstanding_has_any(const struct crew_conn *conn);

/* Has nothing been acknowledged for more than so many ticks, all the while that the queue, the
 * pause, or the stream, lasts? 0: never. */
bool outstanding_is_queue_late(const struct outstanding *outstanding, uint32_t ticks);
bool outstanding_is_pause_late(const struct outstanding *outstanding, uint32_t ticks);
bool outstanding_is_stream_late(const struct outstanding *outstanding, uint32_t ticks);

#endif
