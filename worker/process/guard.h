/* SPDX-License-Identifier: MIT
 *
 * The one place where the app's code is entered and left. Notes on the page of counters which
 * callback runs (for status and obituary), logs a callback that blocked the loop for too long,
 * and counts the depth, so that what must wait for the app to return (the end of a request)
 * can.
 */
#ifndef CREWMAN_GUARD_H
#define CREWMAN_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "scoreboard.h"

/* Something that the app may hold on to until its outermost callback has returned; a part of
 * what it releases, on one list at most. */
struct guard_held {
    struct guard_held *next;
    void (*release)(struct guard_held *held);
};

/* A callback that runs longer is logged, at most once a second. */
#define GUARD_SLOW_MS 100u

struct guard {
    struct score_line *line; /* where the callback that runs is noted; never NULL */
    unsigned depth;
    bool is_row;
    uint32_t last;           /* the callback that the row has left */
    uint64_t since;          /* ms, of the outermost callback, or of the first of its row */
    uint64_t slow_logged_at; /* ms */
    uint64_t worst_ms;       /* the longest since somebody last asked */
    struct guard_held *held; /* to be released when no callback runs any more */
    struct guard_held *late; /* and when the loop has turned */
};

/* Around each call of the app's code, always in pairs. */
struct guard_entry {
    uint32_t outer; /* the callback that was running, SCORE_IN_NONE at depth 0 */
};

/* For the inline functions here only: the outermost callback begins, and has returned; what
 * waited for that, or for the turn, is released. */
void guard_begin(struct guard *guard);
void guard_end(struct guard *guard, uint32_t callback);
void guard_release(struct guard_held **list);

static inline struct guard_entry guard_enter(struct guard *guard,
                                             enum score_callback callback) {
    struct guard_entry entry = {.outer = (uint32_t)score_get(guard->line->callback)};
    if (guard->depth++ == 0 && (!guard->is_row || guard->since == 0))
        guard_begin(guard);
    score_set(guard->line->callback, (uint32_t)callback);
    return entry;
}

static inline void guard_leave(struct guard *guard, struct guard_entry entry) {
    uint32_t callback = (uint32_t)score_get(guard->line->callback);
    score_set(guard->line->callback, entry.outer);
    if (--guard->depth > 0)
        return;
    if (guard->is_row)
        guard->last = callback;
    else
        guard_end(guard, callback);
    if (guard->held)
        guard_release(&guard->held);
}

/* Around callbacks with next to nothing between them, those of the messages of one read: the
 * clock is looked at twice for the row and not for each. Only where begin answered true
 * (neither in a callback nor in another row) is it to be ended. */
bool guard_begin_row(struct guard *guard);
void guard_end_row(struct guard *guard);

/* Release it when no callback runs any more: at once, if none does. */
void guard_hold(struct guard *guard, struct guard_held *held);

/* The same; but where no callback is known to run, one of a handle of the app's own may: then
 * release it when the loop has turned. */
void guard_hold_longer(struct guard *guard, struct guard_held *held);

/* The loop has turned, and no callback runs. */
static inline void guard_turned(struct guard *guard) {
    if (guard->late)
        guard_release(&guard->late);
}

/* How long the app's code has held the loop up at the longest, since the last call of this. */
uint64_t guard_take_worst_ms(struct guard *guard);

#endif
