/* SPDX-License-Identifier: MIT
 *
 * The one place where the app's code is entered and left. Notes on the scoreboard which
 * callback runs (for status and obituary), logs a callback that blocked the loop for too long,
 * and counts the depth, so that what must wait for the app to return (on_close, freeing a
 * connection) can.
 */
#ifndef CREWMAN_GUARD_H
#define CREWMAN_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "scoreboard.h"

struct worker;

/* A callback that runs longer is logged, at most once a second. */
#define GUARD_SLOW_MS 100u

struct guard {
    unsigned depth;
    bool is_row;
    uint32_t last;           /* the callback that the row has left */
    uint64_t since;          /* ms, of the outermost callback, or of the first of its row */
    uint64_t slow_logged_at; /* ms */
    uint64_t worst_ms;       /* the longest since somebody last asked */
};

/* Around each call of the app's code, always in pairs:
 *     struct guard_entry entry = guard_enter(worker, SCORE_IN_MESSAGE);
 *     worker->app->on_message(...);
 *     guard_leave(worker, entry);
 */
struct guard_entry {
    uint32_t outer; /* the callback that was running, SCORE_IN_NONE at depth 0 */
};

struct guard_entry guard_enter(struct worker *worker, enum score_callback callback);
void guard_leave(struct worker *worker, struct guard_entry entry);

/* Around callbacks with next to nothing between them, those of the messages of one read: the
 * clock is looked at twice for the row and not for each. Only where begin answered true
 * (neither in a callback nor in another row) is it to be ended. */
bool guard_begin_row(struct worker *worker);
void guard_end_row(struct worker *worker);

/* How long the app's code has held the loop up at the longest, since the last call of this. */
uint64_t guard_take_worst_ms(struct worker *worker);

#endif
