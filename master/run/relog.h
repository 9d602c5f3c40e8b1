/* SPDX-License-Identifier: MIT
 *
 * The log opened anew, for a client of the admin socket that waits for it. The outlet's thread
 * does it; this ties its end to the answer, which comes within a time limit.
 */
#ifndef CREWMAN_RELOG_H
#define CREWMAN_RELOG_H

#include <uv.h>

#include "countdown.h"

struct admin_client;
struct instance;

struct relog {
    struct instance *instance;
    struct admin_client *client; /* NULL: nobody waits */
    uv_async_t done;
    struct countdown late;
    char why[512];
};

void relog_init(struct relog *relog, struct instance *instance);

/* NULL: it has begun, and admin_answer() follows; else why not. */
const char *relog_for_client(struct relog *relog, struct admin_client *client);

/* The run_dir is a new folder: a log that stands in it is opened again. */
void relog_in_run_dir(struct relog *relog);

void relog_forget_client(struct relog *relog, const struct admin_client *client);

/* Before the loop is closed. */
void relog_done(struct relog *relog);

#endif
