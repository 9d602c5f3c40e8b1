/* SPDX-License-Identifier: MIT
 *
 * Between the slots, which decide, and the processes, which live and die: carries out what
 * slot_step() answers and tells it what happened. Writes the obituaries. Told by the master and
 * by a reload; what they must know goes up through supervisor_events.
 */
#ifndef CREWMAN_SUPERVISOR_H
#define CREWMAN_SUPERVISOR_H

#include "child.h"
#include "instance.h"
#include "pool.h"

/* `owner` is the instance's. A callee may tell the supervisor something in turn. */
struct supervisor_events {
    /* The reload that waits for this place: its new child is ready, or there is none. */
    void (*replaced)(void *owner, struct place *place);
    void (*not_replaced)(void *owner, struct place *place);
    /* A child that came has ended before it was ready. */
    void (*not_started)(void *owner, const struct place *place);
    /* Some child of the instance has become ready. */
    void (*became_ready)(void *owner);
    /* Some child is no more. */
    void (*lost_child)(void *owner);
};

/* Something happened to this place. */
void supervisor_tell(struct place *place, enum slot_event event);

/* A slot that retires is gone with its last process, and a pool that leaves with its last slot:
 * then `pool` is freed. */
void supervisor_check_empty(struct pool *pool);

/* The time and manner in which children drain now: by the stop or the reload that is under way.
 */
void supervisor_drain_child(struct child *child);

#endif
