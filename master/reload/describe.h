/* SPDX-License-Identifier: MIT
 *
 * Ask a throw-away crewman-worker what an app declares. The app's code runs there, as the
 * workers' user, with a deadline and a bound on what it may print.
 */
#ifndef CREWMAN_DESCRIBE_H
#define CREWMAN_DESCRIBE_H

#include <jansson.h>
#include <uv.h>

#include "config.h"
#include "program.h"
#include "spawner.h"

struct describe;

/* From the loop, once: a new reference, or NULL with a line for people (borrowed). */
typedef void (*describe_callback)(void *owner, json_t *description, const char *why);

/* NULL: out of memory, or the program `worker` could not be started; then `out_why` has the
 * line. `pin_fd` (borrowed for the call, -1: none): where it is to copy the app to; then the
 * description says whether it did ("pinned"). `config`: of the instance, whose user, group,
 * runtimes and pin count. */
struct describe *describe_start(struct spawner *spawner, const struct program *worker,
                                const char *app, int pin_fd, const struct config *config,
                                describe_callback callback, void *owner, char *out_why,
                                size_t size);

/* No callback follows. */
void describe_cancel(struct describe *describe);

#endif
