/* SPDX-License-Identifier: MIT
 *
 * The services that need no app: callbacks of ours, for the kinds of the config. They are
 * services like any other to the rest of the worker. Called by process/services.c.
 */
#ifndef CREWMAN_BUILTIN_H
#define CREWMAN_BUILTIN_H

#include "config.h"
#include "crewman.h"

/* The callbacks of a built-in kind; static storage. */
const struct crew_service *builtin_service(enum config_kind kind);

#endif
