/* SPDX-License-Identifier: MIT
 *
 * See lifecycle.h. Up: the user first, before any code of the app runs; then the app; the
 * listener last, so that nothing is accepted before on_worker_start has returned.
 */
#include "lifecycle.h"

#include <stdio.h>
#include <unistd.h>

#include "admin.h"
#include "app_handler.h"
#include "countdown.h"
#include "crash.h"
#include "descriptors.h"
#include "identity.h"
#include "log.h"
#include "opened.h"
#include "services.h"
#include "worker.h"

/* What is kept of the time for closing when a drain ran out of it: politeness needs a moment.
 */
#define CLOSING_MIN_MS 500u
/* For the closes of a worker that ends by its own wish. */
#define ASKED_STOP_MS 5000u

/* The descriptor goes: from now on the mapping is the only way to write to the page. */
static int take_page(struct worker *worker, char *why, size_t size) {
    worker->page = scoreboard_open(DESCRIPTOR_PAGE);
    if (!worker->page) {
        snprintf(why, size,
                 "cannot map the page of counters (descriptor %d): wrong type or size",
                 DESCRIPTOR_PAGE);
        return LIFECYCLE_EXIT_NEVER;
    }
    close(DESCRIPTOR_PAGE);
    worker->line = worker->guard.line = &worker->page->line;
    score_set(worker->line->pid, (uint64_t)uv_os_getpid());
    score_set(worker->line->state, SCORE_STARTING);
    crash_watch(worker->page);
    return 0;
}

static int become_user(const struct plan *plan, char *why, size_t size) {
    struct identity identity;
    if (identity_find(plan->user, plan->group, &identity, why, size) != 0 ||
        identity_become(&identity, why, size) != 0)
        return LIFECYCLE_EXIT_NEVER;
    return 0;
}

static void conn_ended(struct worker *worker);
static const struct service_events service_events = {.conn_ended = conn_ended};

static int call_worker_start(struct worker *worker, char *why, size_t size) {
    services_each (service, worker) {
        int result = app_handler_worker_start(service);
        if (result >= 0)
            continue;
        services_explain(service, why, size, "on_worker_start answered %d (%s)", result,
                         crew_strerror(result));
        return LIFECYCLE_EXIT_AGAIN;
    }
    return 0;
}

static int accept_all(struct worker *worker, char *why, size_t size) {
    /* READY comes before the first iteration: siblings must not think that it stands still. */
    score_set(worker->line->tick_at, uv_hrtime() / 1000000);
    int exit_code = services_accept(worker, why, size);
    if (!exit_code)
        score_set(worker->line->state, SCORE_ACCEPTING);
    return exit_code;
}

int lifecycle_start(struct worker *worker, char *out_why, size_t size) {
    log_set_level((enum crew_log_level)worker->plan.log_level);
    worker->conns.process = worker->plan.process;
    upkeep_start(worker);
    int exit_code = take_page(worker, out_why, size);
    if (!exit_code)
        exit_code = become_user(&worker->plan, out_why, size);
    if (!exit_code)
        exit_code = services_make(worker, &service_events, out_why, size);
    if (exit_code)
        return exit_code;
    admin_start(worker);
    worker->lifecycle.is_set_up = true;
    exit_code = services_start(worker, out_why, size);
    if (!exit_code)
        exit_code = call_worker_start(worker, out_why, size);
    if (!exit_code)
        exit_code = accept_all(worker, out_why, size);
    if (exit_code)
        return exit_code;
    worker->lifecycle.stage = STAGE_SERVING;
    return 0;
}

void lifecycle_end(struct worker *worker, int exit_code) {
    struct lifecycle *lifecycle = &worker->lifecycle;
    if (lifecycle->stage == STAGE_ENDED)
        return;
    lifecycle->stage = STAGE_ENDED;
    lifecycle->exit_code = exit_code;
    turn_stop(&worker->turn);
}

static void finish(struct worker *worker) {
    control_send_drained(worker);
    lifecycle_end(worker, 0);
}

static void on_deadline(uv_timer_t *timer);

/* By the clock, whatever holds us up: the master counts as well. */
static void await_deadline(struct lifecycle *lifecycle, uint64_t ms) {
    lifecycle->due_ms = uv_now(lifecycle->deadline.loop) + ms;
    uv_timer_start(&lifecycle->deadline, on_deadline, ms, 0);
}

static uint64_t time_left(const struct worker *worker) {
    uint64_t now = uv_now(&worker->loop), by = worker->lifecycle.close_by_ms;
    return by > now ? by - now : 0;
}

static void begin_closing(struct worker *worker) {
    struct lifecycle *lifecycle = &worker->lifecycle;
    lifecycle->stage = STAGE_CLOSING;
    services_each (service, worker)
        app_handler_worker_stop(service);
    lifecycle->closed += worker->conns.count;
    if (list_is_empty(&worker->conns.all)) {
        finish(worker);
        return;
    }
    uint64_t left = time_left(worker);
    if (left < CLOSING_MIN_MS)
        left = CLOSING_MIN_MS;
    /* The last client must be told early enough to answer before the time is over. */
    uint64_t spread = lifecycle->spread_ms < left / 2 ? lifecycle->spread_ms : left / 2;
    settle_close_all(&worker->settle, lifecycle->reason, spread);
    await_deadline(lifecycle, left);
}

/* Did this process stand still at its deadline? Then its clients had no time. */
static bool was_away(const struct lifecycle *lifecycle) {
    return uv_now(lifecycle->deadline.loop) - lifecycle->due_ms > COUNTDOWN_LATE_MS;
}

/* Those who are left are told now, and have a moment to answer. */
static void close_the_rest(struct worker *worker) {
    struct lifecycle *lifecycle = &worker->lifecycle;
    lifecycle->has_waited = true;
    settle_close_all(&worker->settle, lifecycle->reason, 0);
    await_deadline(lifecycle, CLOSING_MIN_MS);
}

static void on_deadline(uv_timer_t *timer) {
    struct worker *worker = timer->data;
    if (worker->lifecycle.stage == STAGE_SERVING) { /* see lifecycle_ask_stop() */
        lifecycle_drain(worker, CREW_CLOSE_RELOAD, false, ASKED_STOP_MS, 0);
        return;
    }
    if (worker->lifecycle.stage == STAGE_DRAINING) {
        begin_closing(worker);
        return;
    }
    if (was_away(&worker->lifecycle) && !worker->lifecycle.has_waited) {
        close_the_rest(worker);
        return;
    }
    settle_destroy_all(&worker->settle, worker->lifecycle.reason);
    finish(worker);
}

static void begin_draining(struct worker *worker, int reason) {
    struct lifecycle *lifecycle = &worker->lifecycle;
    lifecycle->reason = reason;
    /* What waits is taken: the last connection may end with it, which must not begin the
     * closing before the app knows of the drain. */
    services_stop_accepting(worker, reason == CREW_CLOSE_RELOAD && !lifecycle->asked_itself);
    lifecycle->stage = STAGE_DRAINING;
    score_set(worker->line->state, SCORE_DRAINING);
    services_each (service, worker)
        app_handler_worker_drain(service, reason);
}

void lifecycle_drain(struct worker *worker, int reason, bool is_graceful, uint64_t timeout_ms,
                     uint64_t spread_ms) {
    struct lifecycle *lifecycle = &worker->lifecycle;
    uint64_t by = uv_now(&worker->loop) + timeout_ms;
    if (lifecycle->stage == STAGE_STARTING) {
        lifecycle_end(worker, 0);
        return;
    }
    if (lifecycle->stage == STAGE_ENDED)
        return;
    bool is_first = lifecycle->stage == STAGE_SERVING;
    if (is_first || by < lifecycle->close_by_ms)
        lifecycle->close_by_ms = by;
    if (is_first || spread_ms < lifecycle->spread_ms)
        lifecycle->spread_ms = spread_ms;
    if (is_first)
        begin_draining(worker, reason);
    if (lifecycle->stage == STAGE_CLOSING) {
        settle_close_all(&worker->settle, lifecycle->reason, lifecycle->spread_ms);
        await_deadline(lifecycle, time_left(worker));
    } else if (is_graceful && services_have_streams(worker)) {
        await_deadline(lifecycle, time_left(worker));
    } else {
        begin_closing(worker);
    }
}

void lifecycle_ask_stop(struct worker *worker) {
    if (worker->lifecycle.stage > STAGE_SERVING)
        return;
    worker->lifecycle.asked_itself = true;
    await_deadline(&worker->lifecycle, 0);
}

/* Ids are never used again: another process has others. */
static void conn_ended(struct worker *worker) {
    struct lifecycle *lifecycle = &worker->lifecycle;
    services_have_room(worker);
    if (conns_run_out_of_ids(&worker->conns))
        lifecycle_ask_stop(worker);
    if (!list_is_empty(&worker->conns.all))
        return;
    if (lifecycle->stage == STAGE_DRAINING)
        begin_closing(worker);
    else if (lifecycle->stage == STAGE_CLOSING)
        finish(worker);
}

void lifecycle_init(struct worker *worker) {
    uv_timer_init(&worker->loop, &worker->lifecycle.deadline);
    worker->lifecycle.deadline.data = worker;
}

void lifecycle_done(struct worker *worker) {
    uv_close((uv_handle_t *)&worker->lifecycle.deadline, NULL);
    services_stop(worker);
    if (worker->lifecycle.is_set_up)
        admin_stop(worker);
}

void lifecycle_free(struct worker *worker) {
    services_free(worker);
}

int lifecycle_listen(struct worker *worker, const char *address,
                     const struct crew_service *given, void *arg) {
    if (worker->lifecycle.stage > STAGE_SERVING)
        return CREW_ESTATE;
    return opened_listen(worker, &service_events, address, given, arg);
}
