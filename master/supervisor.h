/* SPDX-License-Identifier: MIT
 *
 * Between the slots, which decide, and the processes, which live and die: carries out what
 * slot_step() answers and tells it what happened. Writes the obituaries.
 */
#ifndef CREWMAN_SUPERVISOR_H
#define CREWMAN_SUPERVISOR_H

#include "child.h"
#include "service.h"

/* Something happened to this place. */
void supervisor_tell(struct place *place, enum slot_event event);

/* From child.c. */
void supervisor_child_ready(struct child *child);
void supervisor_child_ended(struct child *child, int status, int signal);
/* After the child is forgotten: is anything of the service left? */
void supervisor_check_empty(struct service *service);

/* The time and manner in which workers drain now: by the stop or the reload that is under way.
 */
void supervisor_drain_child(struct child *child);

#endif
