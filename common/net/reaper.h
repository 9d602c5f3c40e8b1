/* SPDX-License-Identifier: MIT
 *
 * The heartbeat: one timer an endpoint, which ticks the lists of liveness.h, looks at what is
 * outstanding, and acts on what it finds: closes the dead, probes the silent, ends what passed
 * a deadline. Its time stands still while the loop is blocked or the process is stopped, so
 * that no client pays for our own silence. See
 * docs/adr/0012-acknowledgements-extend-a-silence.md.
 */
#ifndef CREWMAN_REAPER_H
#define CREWMAN_REAPER_H

#include <stdint.h>
#include <uv.h>

#include "guests.h"
#include "liveness.h"

struct crew_conn;

struct reaper {
    uv_timer_t timer;
    struct liveness lists;
    struct guests guests;
    struct list
        outstanding; /* of struct outstanding, who is to be looked at next comes first */
    uint32_t outstanding_count;
    uint32_t send_ticks; /* nothing of a queue acknowledged for more: over; 0: never */
    uint32_t tick_ms;    /* 1000, less when a configured time is shorter than 4 s */
    uint64_t ticked_ms;  /* the last one */
    bool is_put_off;     /* the next one, after a pause */
};

/* Tick the lists, which are set up, every `tick_ms`. 0, or a libuv error. */
int reaper_start(struct reaper *reaper, uv_loop_t *loop, uint32_t tick_ms);
void reaper_stop(struct reaper *reaper);

/* One tick: the timer does so, and tests do. */
void reaper_tick(struct reaper *reaper);

/* Of those that are kept alive for a next request the one that has waited longest, and of which
 * nothing is under way; NULL: none of the first few is such. */
struct crew_conn *reaper_find_idlest(const struct reaper *reaper);

/* An answer to the protocol's probe came, naming `token`; a wrong or old one is ignored. */
void reaper_answered(struct crew_conn *conn, uint32_t token);

#endif
