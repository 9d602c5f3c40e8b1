/* SPDX-License-Identifier: MIT
 *
 * See guard.h. Time is that of the outermost callback: what it calls belongs to it.
 */
#include "guard.h"

#include <time.h>

#include "log.h"

#define LOG_EVERY_MS 1000u

/* To a few milliseconds, which is fine enough here, for a few nanoseconds: it runs twice a
 * message. */
static uint64_t clock_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

void guard_begin(struct guard *guard) {
    guard->since = clock_ms();
}

static void log_slow(struct guard *guard, uint32_t callback, uint64_t took, uint64_t now) {
    if (guard->slow_logged_at != 0 && now - guard->slow_logged_at < LOG_EVERY_MS)
        return;
    guard->slow_logged_at = now;
    log_warning("%s blocked the loop for %llu ms", score_callback_name(callback),
                (unsigned long long)took);
}

void guard_end(struct guard *guard, uint32_t callback) {
    uint64_t now = clock_ms(), took = now - guard->since;
    if (took > guard->worst_ms)
        guard->worst_ms = took;
    if (took > GUARD_SLOW_MS)
        log_slow(guard, callback, took, now);
}

/* One by one: a release may be a callback of the app too. */
void guard_release(struct guard_held **list) {
    while (*list) {
        struct guard_held *held = *list;
        *list = held->next;
        held->release(held);
    }
}

static void put(struct guard_held **list, struct guard_held *held) {
    held->next = *list;
    *list = held;
}

void guard_hold(struct guard *guard, struct guard_held *held) {
    put(&guard->held, held);
    if (guard->depth == 0)
        guard_release(&guard->held);
}

void guard_hold_longer(struct guard *guard, struct guard_held *held) {
    put(guard->depth > 0 ? &guard->held : &guard->late, held);
}

bool guard_begin_row(struct guard *guard) {
    if (guard->depth > 0 || guard->is_row)
        return false;
    guard->is_row = true;
    guard->since = 0;
    return true;
}

void guard_end_row(struct guard *guard) {
    guard->is_row = false;
    if (guard->since != 0)
        guard_end(guard, guard->last);
}

uint64_t guard_take_worst_ms(struct guard *guard) {
    uint64_t worst = guard->worst_ms;
    guard->worst_ms = 0;
    return worst;
}
