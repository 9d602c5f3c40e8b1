/* SPDX-License-Identifier: MIT
 *
 * See guard.h. Time is that of the outermost callback: what it calls belongs to it.
 */
#include "guard.h"

#include <time.h>

#include "log.h"
#include "worker.h"

#define LOG_EVERY_MS 1000u

/* To a few milliseconds, which is fine enough here, for a few nanoseconds: it runs twice a
 * message. */
static uint64_t clock_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

struct guard_entry guard_enter(struct worker *worker, enum score_callback callback) {
    struct score_line *line = worker->line;
    struct guard_entry entry = {.outer = score_get(line->callback)};
    struct guard *guard = &worker->guard;
    if (guard->depth++ == 0 && (!guard->is_row || guard->since == 0))
        guard->since = clock_ms();
    score_set(line->callback, (uint32_t)callback);
    return entry;
}

static void log_slow(struct worker *worker, uint32_t callback, uint64_t took, uint64_t now) {
    struct guard *guard = &worker->guard;
    if (guard->slow_logged_at != 0 && now - guard->slow_logged_at < LOG_EVERY_MS)
        return;
    guard->slow_logged_at = now;
    log_warning("%s blocked the loop for %llu ms", score_callback_name(callback),
                (unsigned long long)took);
}

static void look_at_clock(struct worker *worker, uint32_t callback) {
    struct guard *guard = &worker->guard;
    uint64_t now = clock_ms(), took = now - guard->since;
    if (took > guard->worst_ms)
        guard->worst_ms = took;
    if (took > GUARD_SLOW_MS)
        log_slow(worker, callback, took, now);
}

void guard_leave(struct worker *worker, struct guard_entry entry) {
    struct score_line *line = worker->line;
    uint32_t callback = score_get(line->callback);
    score_set(line->callback, entry.outer);
    if (--worker->guard.depth > 0)
        return;
    if (worker->guard.is_row)
        worker->guard.last = callback;
    else
        look_at_clock(worker, callback);
}

bool guard_begin_row(struct worker *worker) {
    struct guard *guard = &worker->guard;
    if (guard->depth > 0 || guard->is_row)
        return false;
    guard->is_row = true;
    guard->since = 0;
    return true;
}

void guard_end_row(struct worker *worker) {
    worker->guard.is_row = false;
    if (worker->guard.since != 0)
        look_at_clock(worker, worker->guard.last);
}

uint64_t guard_take_worst_ms(struct worker *worker) {
    uint64_t worst = worker->guard.worst_ms;
    worker->guard.worst_ms = 0;
    return worst;
}
