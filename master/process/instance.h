/* SPDX-License-Identifier: MIT
 *
 * What all rooms of the master share of the instance that it runs: the loop, the configuration
 * in force, the generation, the pools, the log. Holds, and decides nothing.
 */
#ifndef CREWMAN_INSTANCE_H
#define CREWMAN_INSTANCE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "config.h"
#include "list.h"
#include "log_pipe.h"
#include "program.h"
#include "rivals.h"
#include "rundir.h"
#include "spawner.h"
#include "tally.h"

struct outlet;
struct supervisor_events;

enum instance_phase {
    INSTANCE_STARTING, /* until every worker is ready for the first time */
    INSTANCE_RUNNING,
    INSTANCE_STOPPING
};

struct instance {
    uv_loop_t loop;
    struct spawner spawner;    /* of all its processes */
    struct config *config;     /* in force; NULL until it is read */
    struct trust trust;        /* of it: looked up once, for that may take long */
    const struct config *next; /* of the reload that runs: not in force yet; or NULL */
    struct list pools;
    struct programs programs; /* open from the start to the end */
    enum instance_phase phase;
    bool is_daemon;
    bool stops_gracefully;
    bool is_reloading, reloads_gracefully;
    unsigned generation;
    uint32_t last_number; /* the newest child's */
    uint64_t started_ms;
    uv_prepare_t turn;
    uint64_t turns;             /* of the loop: many in a second without work are a spin */
    struct tally retired;       /* the sums of pools that are no more */
    struct rivals rivals;       /* of the reload that runs */
    uint64_t mended;            /* sockets that workers had spoilt */
    struct rundir run_dir;
    struct outlet *log;         /* NULL until it is open; in the foreground it may be `err` */
    struct outlet *out, *err;   /* NULL once a daemon has left its terminal */
    struct log_pipes log_pipes; /* of the children */
    const struct supervisor_events *events;
    void *owner; /* of the events */
};

/* 0, or a negative errno number with a line for people. */
int instance_init(struct instance *instance, char *out_why, size_t size);

/* After the last pool: the loop must have nothing left to do. */
void instance_done(struct instance *instance);

/* The path of the file in run_dir; static storage until the next call. */
const char *instance_path(const struct instance *instance, const char *name);

/* It is in force from now on; owned; NULL: none. The one before it is the caller's. */
void instance_take_config(struct instance *instance, struct config *config);

/* Whom a configuration trusts with the folders of our files. Waits for the system's groups. */
void instance_trust(const struct config *config, struct trust *out_trust);

/* Say in the log who may change the configuration that has come into force. */
void instance_name_writers(const struct instance *instance);

/* A process number that no child of this or an earlier instance has. */
uint32_t instance_next_number(struct instance *instance);

#endif
