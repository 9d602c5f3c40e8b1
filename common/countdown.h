/* SPDX-License-Identifier: MIT
 *
 * A time limit for somebody else: a child, a master, an app that is read. libuv runs timers
 * before it reads, so after a pause of this process (it was stopped, or the machine gave it no
 * time) everybody would look late. Here a pause counts as one step, and never as the last:
 * what came meanwhile is heard first. Whoever must be done by a time of the clock, whatever
 * happens, takes a plain timer. Called by the master, the CLI and a worker that awaits its
 * plan.
 */
#ifndef CREWMAN_COUNTDOWN_H
#define CREWMAN_COUNTDOWN_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/* A timer that is later than this tells of a pause. */
#define COUNTDOWN_LATE_MS 250u
/* A pause counts for so much at the most, and what came meanwhile has so long to be heard. */
#define COUNTDOWN_STEP_MS 1000u

struct countdown {
    uv_timer_t timer;
    void (*over)(struct countdown *countdown);
    void *owner;
    uint64_t left_ms, step_ms, since_ms;
    bool has_waited; /* for what came in a pause at its end: once */
};

void countdown_init(struct countdown *countdown, uv_loop_t *loop, void *owner);
/* `closed` may be NULL; its handle's data is the owner. */
void countdown_close(struct countdown *countdown, uv_close_cb closed);

/* `over` is called once, when `ms` have passed; again: from now on, in place of before. */
void countdown_start(struct countdown *countdown, uint64_t ms,
                     void (*over)(struct countdown *countdown));
void countdown_stop(struct countdown *countdown);

#endif
