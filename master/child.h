/* SPDX-License-Identifier: MIT
 *
 * One worker process as the master sees it: its descriptors, its control pipe, its last beat,
 * its end. Knows how to start and to end one; what its life means is the slot's and the
 * supervisor's business.
 */
#ifndef CREWMAN_CHILD_H
#define CREWMAN_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "channel.h"
#include "config.h"
#include "list.h"

struct service;

enum child_role {
    CHILD_COMING, /* not promoted yet */
    CHILD_SERVING,
    CHILD_DRAINING /* told to end; nobody's any more */
};

/* The last beat. */
struct beat {
    uint64_t connections, accepted, messages_in, messages_out, bytes_in, bytes_out,
        send_failures, reaped, refused, protocol_errors, limit_errors, timeouts, timers, lag_us;
};

struct child {
    uv_process_t process; /* first: the handle is the child */
    struct list in_service;
    struct service *service;
    unsigned slot, generation;
    uint32_t number; /* the process number in its ids */
    uint32_t line;   /* on the scoreboard */
    enum child_role role;
    struct channel *channel;
    uv_timer_t timer; /* to be ready by; then: to be gone by */
    char admin_path[108];
    uint64_t started_ms, beat_ms, drain_ms;
    uint64_t orphan_ms; /* so long it may drain when it believes that we are gone */
    struct beat beat;
    double rate;   /* messages in a second, between the last two beats */
    char *refusal; /* the reason of its "failed" message */
    int refusal_exit;
    bool is_ready, is_drained, is_expected; /* its end: asked for */
    bool is_dismissed;
    bool is_aborted;        /* the watchdog sent SIGABRT */
    const char *killed_for; /* why we killed it, for the obituary; static */
    int handles;            /* to be closed before it is freed */
};

/* Start a worker of `config` in that slot. NULL with a line for people. `listener` -1 or a
 * socket that stays ours. */
struct child *child_start(struct service *service, const struct config_service *config,
                          unsigned slot, unsigned generation, int listener, char *out_why,
                          size_t size);

/* Remove the admin sockets that the workers of a killed master left in `run_dir`. */
void child_sweep(const char *run_dir);

/* Ask it to drain; SIGKILL follows when it does not end in time. Harmless twice; a later call
 * with less time shortens it. */
void child_drain(struct child *child, const char *reason, bool is_graceful, uint64_t timeout_ms,
                 uint64_t spread_ms);

/* It is not wanted any more and has served nobody yet: end it at once, which is no fault. */
void child_dismiss(struct child *child);

/* End it at once. `why` is static text for the obituary. */
void child_kill(struct child *child, const char *why);

/* Hand it the new log. */
void child_reopen_log(struct child *child, int fd);

/* One look a second: beats that do not come. `paused_ms`: for so long we could not have seen
 * one. */
void child_watch(struct child *child, uint64_t watchdog_ms, uint64_t paused_ms);

/* A beat is 2 s late. */
bool child_is_busy(const struct child *child);

#endif
