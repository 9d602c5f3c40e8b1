/* SPDX-License-Identifier: MIT
 *
 * Opens a listener that the app asks for at run time (crew_worker_listen()): one more service
 * of the process, on a socket of its own, to whose address other processes may bind theirs.
 * Called by lifecycle.c.
 */
#ifndef CREWMAN_OPENED_H
#define CREWMAN_OPENED_H

#include "crewman.h"

struct service_events;
struct worker;

/* What crew_worker_listen() says; `given` is whole. */
int opened_listen(struct worker *worker, const struct service_events *events,
                  const char *address, const struct crew_service *given, void *arg);

#endif
