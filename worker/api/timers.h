/* SPDX-License-Identifier: MIT
 *
 * The app's timers (crew_timer_add): one libuv timer each, found by an id that is never used
 * again. The n-th tick is due n·interval after the start by the monotonic clock, whatever
 * happened between; ticks that were missed are skipped.
 */
#ifndef CREWMAN_TIMERS_H
#define CREWMAN_TIMERS_H

#include <stddef.h>
#include <stdint.h>

#include "idmap.h"

struct worker;

struct timers {
    struct idmap ids;
    struct idmap owners; /* connections that have timers */
    uint64_t next_id;
};

void timers_init(struct timers *timers);

/* End those of a connection, which has has_timers set. */
void timers_end_of(struct timers *timers, uint64_t conn_id);

/* End all of them; the loop must be run once more to close the handles. */
void timers_done(struct timers *timers);

size_t timers_count(const struct timers *timers);

#endif
