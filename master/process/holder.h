/* SPDX-License-Identifier: MIT
 *
 * Which process has an address that we want: from /proc, so only of processes that we may look
 * into. Slow, for a failure that people are told of. Ours is never meant.
 */
#ifndef CREWMAN_HOLDER_H
#define CREWMAN_HOLDER_H

#include <stdbool.h>
#include <sys/types.h>

#include "listen.h"

#define HOLDERS_MAX 3u

/* Answers how many were found, at most HOLDERS_MAX. */
unsigned holder_find(const struct listen_address *address, pid_t *out_pids);

/* A line for people in place of a poorer one: "cannot listen on `text`: …". False, and
 * `out_why` as it was: nobody was found. */
bool holder_explain(const struct listen_address *address, const char *text, char *out_why,
                    size_t size);

#endif
