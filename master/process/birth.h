/* SPDX-License-Identifier: MIT
 *
 * From a place and its kind to a process: names, number, descriptors, plan. Used
 * by the supervisor alone, who hears of the child's life.
 */
#ifndef CREWMAN_BIRTH_H
#define CREWMAN_BIRTH_H

#include <stdbool.h>
#include <stddef.h>

#include "child.h"

struct kind;
struct place;

/* Start a child for that place; `is_new`: of the generation that a reload tries. Its owner is
 * the place. NULL with a line for people. */
struct child *birth_start(struct place *place, bool is_new, const struct child_events *events,
                          char *out_why, size_t size);

#endif
