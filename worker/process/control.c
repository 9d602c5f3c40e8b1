/* SPDX-License-Identifier: MIT
 *
 * See control.h; the messages are listed in docs/control-protocol.md.
 */
#include "control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "descriptors.h"
#include "log.h"
#include "process.h"
#include "rest.h"
#include "services.h"
#include "worker.h"

#define BEAT_MS          1000u
#define PLAN_DEADLINE_MS 10000u
#define UNREAD_MAX       (16u * 1024u) /* some twenty beats as the kernel counts them */

static void tell(struct worker *worker, enum message_id id, json_t *body) {
    struct control *control = &worker->control;
    if (!control->channel)
        json_decref(body);
    else if (channel_send(control->channel, message_get(id), body, -1) != 0)
        log_debug("control: \"%s\" could not be sent", message_get(id)->name);
}

static void send_ready(struct worker *worker) {
    tell(worker, MSG_READY, json_object());
}

static void send_failed(struct worker *worker, const char *why) {
    tell(worker, MSG_FAILED, json_pack("{s:o}", "reason", message_text(why)));
}

static void note_totals(struct worker *worker) {
    const struct conns_totals *totals = &worker->conns.totals;
    struct score_line *line = worker->line;
    score_set(line->connections, worker->conns.count);
    score_set(line->accepted, totals->accepted);
    score_set(line->messages_in, totals->messages_in);
    score_set(line->messages_out, totals->messages_out);
    score_set(line->bytes_in, totals->bytes_in);
    score_set(line->bytes_out, totals->bytes_out);
    score_set(line->send_failures, totals->send_failures);
    score_set(line->reaped, totals->reaped);
    score_set(line->refused, totals->refused);
    score_set(line->turned_away, totals->turned_away);
    score_set(line->over_address, totals->over_address);
    score_set(line->protocol_errors, totals->protocol_errors);
    score_set(line->limit_errors, totals->limit_errors);
    score_set(line->timeouts, totals->timeouts);
    score_set(line->shed, totals->shed);
    score_set(line->memory, worker->conns.budget.held);
    score_set(line->evicted, totals->evicted);
    score_set(line->session_errors, totals->session_errors);
    score_set(line->timers, timers_count(&worker->timers));
}

void control_send_drained(struct worker *worker) {
    note_totals(worker);
    tell(worker, MSG_DRAINED,
         json_pack("{s:I}", "closed", (json_int_t)worker->lifecycle.closed));
}

/* How long something had to wait for the loop at the worst: a beat, or whatever came while the
 * app's code ran. */
static uint64_t take_lag_us(struct worker *worker) {
    uint64_t held = guard_take_worst_ms(&worker->guard) * 1000u;
    uint64_t lag = worker->control.worst_lag_us;
    worker->control.worst_lag_us = 0;
    return held > lag ? held : lag;
}

/* How late this beat is tells how long the loop could not turn. */
static void note_lag(struct control *control) {
    uint64_t now = uv_hrtime() / 1000u;
    uint64_t due = control->beat_at_us + BEAT_MS * 1000u;
    if (control->beat_at_us != 0 && now > due && now - due > control->worst_lag_us)
        control->worst_lag_us = now - due;
    control->beat_at_us = now;
}

static void on_beat(uv_timer_t *timer) {
    struct worker *worker = timer->data;
    note_lag(&worker->control);
    services_look(worker);
    upkeep_beat(worker);
    rest_beat(worker);
    note_totals(worker);
    score_set(worker->line->lag_us, take_lag_us(worker));
    /* A master that stood still shall not find all the beats of that time: one is enough. */
    if (worker->control.channel && channel_unread(worker->control.channel) < UNREAD_MAX)
        tell(worker, MSG_BEAT, json_object());
}

static void start_beats(struct worker *worker) {
    uv_timer_start(&worker->control.beat, on_beat, BEAT_MS, BEAT_MS);
}

static void give_up(struct worker *worker, int exit_code, const char *why) {
    log_error("%s", why);
    send_failed(worker, why);
    lifecycle_end(worker, exit_code);
}

static void on_plan_late(struct countdown *countdown) {
    give_up(countdown->owner, LIFECYCLE_EXIT_NEVER, "no plan came from the master");
}

static int keep(int fd, char *why, size_t size) {
    int err = fd < 0 ? 0 : process_set_cloexec(fd);
    if (err)
        snprintf(why, size, "plan: descriptor %d: %s", fd, strerror(-err));
    return err;
}

/* Programs that the app starts must not hold a port or the page. */
static int keep_descriptors(const struct plan *plan, char *why, size_t size) {
    int err = keep(DESCRIPTOR_PAGE, why, size);
    if (!err)
        err = keep(plan->app_fd, why, size);
    for (size_t i = 0; !err && i < plan->service_count; i++)
        err = keep(plan->services[i].listener_fd, why, size);
    return err;
}

static void receive_plan(struct worker *worker, const json_t *body) {
    char why[1024];
    if (worker->lifecycle.stage != STAGE_STARTING || worker->control.has_plan) {
        log_error("control: a second plan");
        return;
    }
    countdown_stop(&worker->control.plan);
    int err = plan_load(body, &worker->plan, why, sizeof(why));
    if (err) {
        give_up(worker, LIFECYCLE_EXIT_NEVER, why);
        return;
    }
    worker->control.has_plan = true;
    if (keep_descriptors(&worker->plan, why, sizeof(why)) != 0) {
        give_up(worker, LIFECYCLE_EXIT_NEVER, why);
        return;
    }
    int exit_code = lifecycle_start(worker, why, sizeof(why));
    if (exit_code != 0) {
        give_up(worker, exit_code, why);
        return;
    }
    start_beats(worker);
    send_ready(worker);
}

static void receive_drain(struct worker *worker, const json_t *body) {
    const char *reason = json_string_value(json_object_get(body, "reason"));
    lifecycle_drain(worker,
                    strcmp(reason, "reload") == 0 ? CREW_CLOSE_RELOAD : CREW_CLOSE_SHUTDOWN,
                    json_is_true(json_object_get(body, "graceful")),
                    (uint64_t)json_integer_value(json_object_get(body, "timeout_ms")),
                    (uint64_t)json_integer_value(json_object_get(body, "spread_ms")));
}

static uint32_t process_of(const json_t *body) {
    return (uint32_t)json_integer_value(json_object_get(body, "process"));
}

static void on_message(void *owner, const struct message *type, json_t *body, int fd) {
    struct worker *worker = owner;
    if (type->id == MSG_SIBLING)
        siblings_add(&worker->siblings, process_of(body), fd);
    else if (type->id == MSG_SIBLING_GONE)
        siblings_remove(&worker->siblings, process_of(body));
    else if (type->id == MSG_ADMIN_CLIENT)
        admin_adopt(worker, fd);
    else if (type->id == MSG_PLAN)
        receive_plan(worker, body);
    else
        receive_drain(worker, body);
}

static void on_end(void *owner, const char *reason) {
    struct worker *worker = owner;
    struct control *control = &worker->control;
    channel_close(control->channel);
    control->channel = NULL;
    log_warning("the master is gone%s%s: draining", reason ? ": " : "", reason ? reason : "");
    lifecycle_drain(worker, CREW_CLOSE_SHUTDOWN, true, worker->plan.drain_timeout_ms,
                    worker->plan.spread_ms);
}

static const struct channel_events events = {on_message, on_end};

int control_start(struct worker *worker) {
    struct control *control = &worker->control;
    uv_timer_init(&worker->loop, &control->beat);
    control->beat.data = worker;
    countdown_init(&control->plan, &worker->loop, worker);
    control->channel =
        channel_open(&worker->loop, DESCRIPTOR_CONTROL, MESSAGE_TO_WORKER, &events, worker);
    if (!control->channel)
        return CREW_ENOMEM;
    tell(worker, MSG_HELLO, json_pack("{s:s}", "version", CREW_VERSION));
    countdown_start(&control->plan, PLAN_DEADLINE_MS, on_plan_late);
    return 0;
}

void control_stop(struct worker *worker) {
    note_totals(worker);
    struct control *control = &worker->control;
    uv_close((uv_handle_t *)&control->beat, NULL);
    countdown_close(&control->plan, NULL);
    channel_close(control->channel);
    control->channel = NULL;
}
