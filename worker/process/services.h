/* SPDX-License-Identifier: MIT
 *
 * The services of this process in one list: those of the plan, one or several that name the
 * same `process`, with the callbacks of their app, and behind them what the app has opened at
 * run time. Loads the app. What is done with all of them is done here, in the order in which
 * they came. Called by lifecycle.c, which says when.
 */
#ifndef CREWMAN_SERVICES_H
#define CREWMAN_SERVICES_H

#include <stdbool.h>
#include <stddef.h>

#include "service.h"
#include "worker.h"

/* More may be added meanwhile, at the end; none may be freed. */
#define services_each(one, worker)                                                             \
    for (struct service *one = list_entry((worker)->services.next, struct service, in_worker); \
         &one->in_worker != &(worker)->services;                                               \
         one = list_entry(one->in_worker.next, struct service, in_worker))

/* Those of the plan, ready for services_start(). 0; or the exit code of the process, with a
 * line for people. */
int services_make(struct worker *worker, const struct service_events *events, char *out_why,
                  size_t size);

/* One more, which goes with the others. */
void services_add(struct service *service);

/* Start those that are not yet; begin to accept with those that do not yet. As
 * services_make(). */
int services_start(struct worker *worker, char *out_why, size_t size);
int services_accept(struct worker *worker, char *out_why, size_t size);

/* Once a second, see acceptor_look(). */
void services_look(struct worker *worker);

/* A connection has gone: one of them may have waited for its place. */
void services_have_room(struct worker *worker);

/* Has one of them connections that a graceful end waits for? */
bool services_have_streams(const struct worker *worker);

/* Take no more, for good; see service_stop_accepting(). */
void services_stop_accepting(struct worker *worker, bool is_replaced);

/* When no connection is left; and when the loop has closed their handles. */
void services_stop(struct worker *worker);
void services_free(struct worker *worker);

/* A line for people about one of them, which it names where the plan has others. */
void services_explain(const struct service *service, char *out_why, size_t size,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
