/* SPDX-License-Identifier: MIT
 *
 * struct master: everything that the master owns. It starts the services, watches them, and
 * ends; it never reads a byte that a client sent and never loads an app.
 */
#ifndef CREWMAN_MASTER_H
#define CREWMAN_MASTER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "admin.h"
#include "config.h"
#include "list.h"
#include "options.h"

struct reload;
struct loading;
struct place;

enum master_phase {
    MASTER_STARTING, /* until every worker is ready for the first time */
    MASTER_RUNNING,
    MASTER_STOPPING
};

enum { MASTER_SIGNALS = 6 };

struct master {
    uv_loop_t loop;
    const struct options *options;
    struct config *config;
    char *worker_path; /* crewman-worker, beside our own program */
    struct list services;
    struct admin admin;
    struct reload *reload;   /* the one that runs, or NULL */
    struct loading *loading; /* at the start */
    uv_signal_t signals[MASTER_SIGNALS];
    uv_timer_t watch; /* once a second */
    uint64_t watched_ms;
    uv_prepare_t turn;
    uint64_t turns; /* of the loop: many in a second without work are a spin */
    enum master_phase phase;
    unsigned generation;
    uint32_t next_process;
    uint64_t started_ms;
    int pid_fd, log_fd;
    bool is_daemon, is_graceful;
    bool follows_crash;
    bool reload_again; /* a signal asked for a reload while one ran */
    bool again_is_graceful;
    int report_fd; /* of a daemon: its parent waits for one byte; -1 otherwise */
    int exit_code;
};

/* Run an instance until it ends; answers the exit code. `report_fd` -1, or of a daemon the pipe
 * to its parent, which is told the exit code of the start. */
int master_run(const struct options *options, int report_fd);

/* Stop all workers, then end. A call that is not graceful hurries a graceful one. */
void master_stop(struct master *master, bool is_graceful);

/* Open the log anew, here and in the workers. 0 or a negative errno number. */
int master_reopen_logs(struct master *master);

/* From the supervisor. */
void master_check_started(struct master *master);
void master_check_stopped(struct master *master);
void master_place_failed(struct master *master, const struct place *place);

/* The path of crewman-worker, beside our own program; the caller frees it. */
char *master_find_worker(void);

uint32_t master_next_process(struct master *master);
uint32_t master_random(struct master *master);

/* The path of the file in run_dir; static storage until the next call. */
const char *master_path(const struct master *master, const char *name);

#endif
