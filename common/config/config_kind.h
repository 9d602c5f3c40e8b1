/* SPDX-License-Identifier: MIT
 *
 * The kinds of services: served by an app, or built into the worker. Holds what a kind asks of
 * its block; what it does is in worker/builtin. Called by config.c and config_merge.c.
 */
#ifndef CREWMAN_CONFIG_KIND_H
#define CREWMAN_CONFIG_KIND_H

#include <stdbool.h>

#include "config_service.h"

/* Is the block of a service, in a file, of a built-in kind? */
bool config_kind_is_builtin(const json_t *block);

/* Report what a kind needs and the service has not, or has and must not. */
void config_kind_check(const struct config_draft *draft, struct config_errors *errors);

#endif
