/* SPDX-License-Identifier: MIT
 *
 * The services of this process, as the plan lists them, with the callbacks of their app: one,
 * or several that name the same `process`. Loads the app. Called by lifecycle.c, which starts
 * and ends them.
 */
#ifndef CREWMAN_SERVICES_H
#define CREWMAN_SERVICES_H

#include <stddef.h>

struct service;
struct service_events;
struct worker;

/* Make worker->services, ready for service_start(). 0; or the exit code of the process, with a
 * line for people. */
int services_make(struct worker *worker, const struct service_events *events, char *out_why,
                  size_t size);

void services_free(struct worker *worker);

/* A line for people about one of them, which it names where the process has others. */
void services_explain(const struct service *service, char *out_why, size_t size,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
