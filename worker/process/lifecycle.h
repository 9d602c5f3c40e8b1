/* SPDX-License-Identifier: MIT
 *
 * How a worker comes up and goes away: become the user, load the app, on_worker_start, accept,
 * READY; then drain or stop, on_worker_drain, on_worker_stop, polite closes, exit. Each stage
 * is entered once, in this order.
 */
#ifndef CREWMAN_LIFECYCLE_H
#define CREWMAN_LIFECYCLE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct crew_service;
struct worker;

enum lifecycle_stage {
    STAGE_STARTING, /* no plan yet, or on_worker_start runs */
    STAGE_SERVING,
    STAGE_DRAINING, /* not accepting; waits for the connections (graceful) */
    STAGE_CLOSING,  /* on_worker_stop was called; connections are being closed politely */
    STAGE_ENDED
};

struct lifecycle {
    enum lifecycle_stage stage;
    int reason; /* CREW_CLOSE_RELOAD or CREW_CLOSE_SHUTDOWN, from draining on */
    uint64_t spread_ms, close_by_ms; /* of the drain that is under way */
    uint64_t due_ms;                 /* of the deadline */
    uint64_t closed;                 /* connections that we closed ourselves */
    uv_timer_t deadline;
    int exit_code;
    bool is_set_up;    /* it may be asked for its connections */
    bool asked_itself; /* for its end: another takes its place, with the same sockets */
    bool has_waited;   /* after a pause at the last deadline */
};

/* Exit codes of a worker: the app refused, trying again may help; or nothing but a change of
 * the app or of the system will (EX_CONFIG). */
#define LIFECYCLE_EXIT_AGAIN 1
#define LIFECYCLE_EXIT_NEVER 78

void lifecycle_init(struct worker *worker);
/* Ends what lifecycle_start() began; the loop must be run once more to close handles. */
void lifecycle_done(struct worker *worker);
/* Behind that: the memory of the services. */
void lifecycle_free(struct worker *worker);

/* What crew_worker_listen() says; `given` is whole. */
int lifecycle_listen(struct worker *worker, const char *address,
                     const struct crew_service *given, void *arg);

/* The plan is in worker->plan: go from STARTING to SERVING. 0, or the exit code to end with;
 * `out_why` has the reason. */
int lifecycle_start(struct worker *worker, char *out_why, size_t size);

/* Stop accepting; graceful: wait for the connections up to timeout_ms; then close what is left
 * politely over spread_ms. Calls after the first only ever shorten it. */
void lifecycle_drain(struct worker *worker, int reason, bool is_graceful, uint64_t timeout_ms,
                     uint64_t spread_ms);

/* The worker itself wishes to end (crew_worker_stop(), SIGTERM): at the next turn of the loop
 * it drains, not gracefully. */
void lifecycle_ask_stop(struct worker *worker);

/* Leave the loop now, with that exit code. */
void lifecycle_end(struct worker *worker, int exit_code);

#endif
