/* SPDX-License-Identifier: MIT
 *
 * From the configuration in force to the next one: the sockets, services and pools that it
 * needs beside what there is, and then either the one or the other thrown away. Used by a
 * reload, which says when.
 */
#ifndef CREWMAN_CHANGEOVER_H
#define CREWMAN_CHANGEOVER_H

#include <stddef.h>

struct instance;
struct pins;

/* Bind and make what instance->next needs, whose apps `pins` has. 0, or -1 with a line for
 * people: what was made stays, until changeover_undo(). */
int changeover_prepare(struct instance *instance, const struct pins *pins, char *out_why,
                       size_t size);

/* The pools that get a canary, once all is prepared. */
unsigned changeover_canaries(const struct instance *instance);

/* Nothing remains of what was prepared, nor of the canaries. */
void changeover_undo(struct instance *instance);

/* What was prepared is in force; the canaries stay; pools and slots that are wanted no more
 * drain. */
void changeover_commit(struct instance *instance);

#endif
