/* SPDX-License-Identifier: MIT
 *
 * The heartbeat: one timer that ticks the lists of liveness.h and acts on what they find:
 * closes the dead, probes the silent, ends what passed a deadline. Its time stands still while
 * the loop is blocked or the process is stopped, so that no client pays for our own silence.
 */
#ifndef CREWMAN_REAPER_H
#define CREWMAN_REAPER_H

#include <stdint.h>
#include <uv.h>

#include "liveness.h"

struct worker;
struct crew_conn;

struct reaper {
    uv_timer_t timer;
    struct liveness lists;
    uint32_t tick_ms; /* 1000, less when a configured time is shorter than 4 s */
};

/* Set up the lists from the plan and start the timer. 0, or a libuv error. */
int reaper_start(struct worker *worker);
void reaper_stop(struct worker *worker);

/* An answer to the session's probe came, naming `token`; a wrong or old one is ignored. */
void reaper_answered(struct crew_conn *conn, uint32_t token);

#endif
