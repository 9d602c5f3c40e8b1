/* SPDX-License-Identifier: MIT
 *
 * See supervisor.h.
 */
#include "supervisor.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "human.h"
#include "log.h"
#include "master.h"
#include "memory.h"
#include "process.h"
#include "reload.h"

#define EXIT_NEVER 78 /* EX_CONFIG: the app or the plan can never work */

static uint64_t now_of(const struct place *place) {
    return uv_now(&place->service->master->loop);
}

void supervisor_drain_child(struct child *child) {
    const struct master *master = child->service->master;
    const struct config *config = master->config;
    bool stops = master->phase == MASTER_STOPPING;
    bool is_graceful = stops ? master->is_graceful : reload_is_graceful(master);
    uint64_t spread = stops ? 0 : config->reload_spread_ms;
    uint64_t timeout =
        is_graceful ? config->drain_timeout_ms : 2 * spread + config->stop_timeout_ms;
    child_drain(child, stops ? "shutdown" : "reload", is_graceful, timeout, spread);
}

static void kill_coming(struct place *place) {
    struct child *child = place->coming;
    place->coming = NULL;
    if (!child)
        return;
    child_dismiss(child);
}

/* One that is not ready yet has no connections to be polite to. */
static void drain_coming(struct place *place) {
    if (place->coming && !place->coming->is_ready) {
        kill_coming(place);
        return;
    }
    if (place->coming)
        supervisor_drain_child(place->coming);
    place->coming = NULL;
}

static void promote(struct place *place) {
    place->serving = place->coming;
    place->coming = NULL;
    if (place->serving)
        place->serving->role = CHILD_SERVING;
}

static void on_retry(uv_timer_t *timer) {
    supervisor_tell(timer->data, SLOT_ON_TIMER);
}

static void wait_to_retry(struct place *place, uint64_t wait_ms) {
    place->retry_at_ms = now_of(place) + wait_ms;
    log_notice("%s/%u: trying again in %.1f s", place->service->name, place->index,
               (double)wait_ms / 1000.0);
    uv_timer_start(&place->timer, on_retry, wait_ms, 0);
}

static void spawn(struct place *place) {
    struct service *service = place->service;
    struct master *master = service->master;
    char why[512];
    bool is_new = place->slot.is_ahead && service->next;
    place->coming =
        child_start(service, is_new ? service->next : service->config, place->index,
                    is_new ? master->generation + 1 : master->generation,
                    service_listener(service, place->index, is_new), why, sizeof(why));
    if (place->coming)
        return;
    log_error("%s/%u: %s", service->name, place->index, why);
    free(place->last_failure);
    place->last_failure = memory_copy_text(why);
    supervisor_tell(place, SLOT_ON_NEW_DIED);
}

static void tell_others(struct place *place, enum slot_event event, unsigned actions) {
    struct master *master = place->service->master;
    if (actions & SLOT_DO_TELL_READY)
        reload_place_ready(master, place);
    if (actions & SLOT_DO_TELL_FAILED)
        reload_place_failed(master, place);
    if (event == SLOT_ON_NEW_DIED || event == SLOT_ON_NEW_REFUSED)
        master_place_failed(master, place);
}

static bool is_waiting_for_child(const struct place *place) {
    return (place->slot.state == SLOT_STARTING || place->slot.state == SLOT_REPLACING) &&
           !place->coming;
}

void supervisor_tell(struct place *place, enum slot_event event) {
    struct slot_step step =
        slot_step(&place->slot, event, now_of(place), master_random(place->service->master));
    if (step.actions & SLOT_DO_KILL_NEW)
        kill_coming(place);
    if (step.actions & SLOT_DO_DRAIN_NEW)
        drain_coming(place);
    if (step.actions & SLOT_DO_DRAIN_OLD) {
        if (place->serving)
            supervisor_drain_child(place->serving);
        promote(place);
    }
    if (step.actions & SLOT_DO_PROMOTE)
        promote(place);
    tell_others(place, event, step.actions);
    /* Those others may have retired the slot meanwhile. */
    if ((step.actions & SLOT_DO_SPAWN) && is_waiting_for_child(place))
        spawn(place);
    if ((step.actions & SLOT_DO_WAIT) && place->slot.state == SLOT_BACKOFF)
        wait_to_retry(place, step.wait_ms);
    if (event == SLOT_ON_READY)
        master_check_started(place->service->master);
}

void supervisor_child_ready(struct child *child) {
    struct place *place = child->service->places[child->slot];
    if (place->coming == child)
        supervisor_tell(place, SLOT_ON_READY);
}

static char *describe_end(const struct child *child, int status, int signal) {
    if (child->refusal)
        return memory_copy_text(child->refusal);
    if (signal)
        return memory_format(
            "killed by %s%s%s%s", process_signal_name(signal), child->killed_for ? " (" : "",
            child->killed_for ? child->killed_for : "", child->killed_for ? ")" : "");
    return memory_format("exited with code %d", status);
}

/* Slot, pid, signal or exit code, uptime, connections lost and the callback it was in: from the
 * scoreboard, which outlives the process. */
static void log_obituary(const struct child *child, const char *end) {
    const struct score_line *line = &child->service->board->lines[child->line];
    char lived[32];
    uint32_t callback = score_get(line->callback);
    uint64_t now = uv_now(&child->service->master->loop);
    human_duration(now - child->started_ms, lived, sizeof(lived));
    log_error("%s/%u: pid %d %s after %s, generation %u, in %s; %u connections lost",
              child->service->name, child->slot, child->process.pid, end, lived,
              child->generation,
              callback == SCORE_IN_NONE ? "the loop" : score_callback_name(callback),
              score_get(line->connections));
}

static bool has_ended_well(const struct child *child, int status, int signal) {
    if (child->is_dismissed && signal == SIGKILL)
        return !child->killed_for;
    return status == 0 && !signal &&
           (child->is_drained || (child->is_expected && !child->killed_for));
}

static void note_end(struct place *place, const struct child *child, int status, int signal) {
    char *end = describe_end(child, status, signal);
    if (has_ended_well(child, status, signal))
        log_info("%s/%u: pid %d has ended", child->service->name, child->slot,
                 child->process.pid);
    else if (child->refusal)
        log_error("%s/%u: pid %d: %s", child->service->name, child->slot, child->process.pid,
                  end);
    else
        log_obituary(child, end);
    if (child->role == CHILD_DRAINING) {
        free(end);
        return;
    }
    free(place->last_failure);
    place->last_failure = end;
}

void supervisor_child_ended(struct child *child, int status, int signal) {
    struct place *place = child->service->places[child->slot];
    bool is_final = !signal && status == EXIT_NEVER;
    note_end(place, child, status, signal);
    if (place->coming == child) {
        place->coming = NULL;
        supervisor_tell(place, is_final ? SLOT_ON_NEW_REFUSED : SLOT_ON_NEW_DIED);
    } else if (place->serving == child) {
        place->serving = NULL;
        supervisor_tell(place, is_final                                ? SLOT_ON_REFUSED
                               : has_ended_well(child, status, signal) ? SLOT_ON_ENDED
                                                                       : SLOT_ON_DIED);
    }
}

static bool has_child(const struct service *service, unsigned slot) {
    struct list *node;
    list_each (node, &service->children)
        if (list_entry(node, struct child, in_service)->slot == slot)
            return true;
    return false;
}

void supervisor_check_empty(struct service *service) {
    struct master *master = service->master;
    for (unsigned i = 0; i < service->place_count; i++)
        if (service->places[i]->slot.state == SLOT_DRAINING && !has_child(service, i))
            supervisor_tell(service->places[i], SLOT_ON_EMPTY);
    if (service->is_leaving && list_is_empty(&service->children))
        service_free(service);
    master_check_stopped(master);
}
