/* SPDX-License-Identifier: MIT
 *
 * The end of a turn of the loop, before it waits: what was gathered leaves, what has ended is
 * buried, what was resumed goes on. Also the ways to close many connections. Owns the handles
 * that bring this about; the owner of the loop embeds it.
 */
#ifndef CREWMAN_SETTLE_H
#define CREWMAN_SETTLE_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "conns.h"

struct settle {
    struct conns *conns;
    void (*turned)(void *owner); /* before each: what it sends leaves, too */
    void *owner;
    uv_timer_t spread; /* closes them bit by bit */
    int spread_reason;
    size_t spread_batch;                   /* a step */
    uint64_t spread_step_ms, spread_at_ms; /* done up to then */
};

void settle_start(struct settle *settle, struct conns *conns, void (*turned)(void *owner),
                  void *owner);

/* End all connections without a callback; the loop must be run once more to close handles. */
void settle_stop(struct settle *settle);

/* Before each wait of the turn, see turn.h; `owner` is the struct settle. True: something is
 * left for the next turn, which must not wait. */
bool settle_turn(void *owner);

/* Never called from inside a callback. */
void settle_now(struct settle *settle);

/* Begin a polite close of every connection, spread evenly over `spread_ms` (0: now), with the
 * protocol's code for `reason` (CREW_CLOSE_RELOAD: WebSocket 1012, CREW_CLOSE_SHUTDOWN: 1001).
 */
void settle_close_all(struct settle *settle, int reason, uint64_t spread_ms);

/* Close whatever is left at once: each has had its on_close when this returns. Who has not been
 * told yet hears the protocol's word, and nothing waits for it. Never called from inside a
 * callback. */
void settle_destroy_all(struct settle *settle, int reason);

#endif
