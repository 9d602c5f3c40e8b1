/* SPDX-License-Identifier: MIT
 *
 * The plan: what the master tells a new worker about itself (message "plan"), as a struct. Read
 * once.
 */
#ifndef CREWMAN_PLAN_H
#define CREWMAN_PLAN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "config.h"

struct plan_service {
    struct config_service config; /* name, listen, heartbeat, limits */
    int listener_fd;              /* -1: none */
};

struct plan {
    char name[CONFIG_NAME_MAX + 1]; /* of the process: its service's, or what several share */
    struct plan_service *services;  /* in the order of the configuration; one at least */
    size_t service_count;
    unsigned slot, generation;
    uint32_t process; /* 24 bits: a part of the ids that this process gives out */
    int log_level;
    uint64_t drain_timeout_ms, spread_ms; /* for when the master is gone */
    char user[64], group[64];
    char app[4096];      /* path of its shared object, or of what a runtime runs; "": none */
    int app_fd;          /* of its pinned copy; -1: it is loaded by its path */
    char runtimes[4096]; /* their folder; "": that of the installation */
};

/* Fill from a checked "plan" message. -EINVAL with a line for people; nothing to free then. */
int plan_load(const json_t *body, struct plan *out_plan, char *out_why, size_t size);
void plan_done(struct plan *plan);

#endif
