/* SPDX-License-Identifier: MIT
 *
 * The life of an instance, from the configuration to the last worker: the room above all others
 * of the master. Ties the supervisor, a reload and the admin socket together, hears their
 * events, and handles signals. Never reads a byte that a client sent and never loads an app.
 */
#ifndef CREWMAN_MASTER_H
#define CREWMAN_MASTER_H

#include <stdbool.h>
#include <stdio.h>

#include "loading.h"

struct instance;

struct master_options {
    struct loading_source source; /* borrowed until the end */
    bool is_daemon;
    int report_fd; /* of a daemon: the pipe to its parent, which is told the exit code of the
                      start; -1 otherwise */
    /* Every worker is ready for the first time: print that of the instance; may be NULL. */
    void (*on_started)(FILE *out, const void *instance);
};

/* Run an instance until it ends; answers the exit code: EXIT_SUCCESS or EXIT_FAILURE. */
int master_run(const struct master_options *options);

#endif
