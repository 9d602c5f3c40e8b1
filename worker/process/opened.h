/* SPDX-License-Identifier: MIT
 *
 * Listeners that the app opens at run time (crew_worker_listen()): each a service of its own on
 * a socket of its own, which other processes may bind too. Owned by the worker; called by api.c
 * and lifecycle.c.
 */
#ifndef CREWMAN_OPENED_H
#define CREWMAN_OPENED_H

#include <stdbool.h>

#include "crewman.h"

struct service_events;
struct worker;

/* What crew_worker_listen() says; `given` is whole. */
int opened_listen(struct worker *worker, const struct service_events *events,
                  const char *address, const struct crew_service *given, void *arg);

/* Take what waits, and then no more: nobody else is told of those connections. */
void opened_stop_accepting(struct worker *worker);

/* Has one of them connections that a graceful end waits for? */
bool opened_has_streams(const struct worker *worker);

/* When no connection is left; and when the loop has closed their handles. */
void opened_done(struct worker *worker);
void opened_free(struct worker *worker);

#endif
