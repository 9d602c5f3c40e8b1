/* SPDX-License-Identifier: MIT
 *
 * See supervisor.h.
 */
#include "supervisor.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#include "birth.h"
#include "human.h"
#include "log.h"
#include "memory.h"
#include "process.h"
#include "siblings.h"

static uint64_t now_of(const struct place *place) {
    return uv_now(&place->pool->instance->loop);
}

static struct place *place_of(const struct child *child) {
    return child->owner;
}

void supervisor_drain_child(struct child *child) {
    const struct instance *instance = place_of(child)->pool->instance;
    const struct config *config = instance->config;
    bool stops = instance->phase == INSTANCE_STOPPING;
    bool is_graceful = stops ? instance->stops_gracefully : instance->reloads_gracefully;
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
        child_promote(place->serving);
}

static void on_retry(uv_timer_t *timer) {
    supervisor_tell(timer->data, SLOT_ON_TIMER);
}

static void wait_to_retry(struct place *place, uint64_t wait_ms) {
    place->retry_at_ms = now_of(place) + wait_ms;
    log_notice("%s: trying again in %.1f s", place->label, (double)wait_ms / 1000.0);
    uv_timer_start(&place->timer, on_retry, wait_ms, 0);
}

static void on_child_ready(struct child *child);
static void on_child_ended(struct child *child, int status, int signal);
static void on_child_gone(void *owner);

static const struct child_events child_events = {on_child_ready, on_child_ended, on_child_gone};

static bool is_of_next(const struct place *place) {
    return place->slot.is_ahead && place->pool->next;
}

static void spawn(struct place *place) {
    char why[512];
    place->coming = birth_start(place, is_of_next(place), &child_events, why, sizeof(why));
    if (place->coming) {
        siblings_greet(place->coming);
        return;
    }
    log_error("%s: %s", place->label, why);
    free(place->last_failure);
    place->last_failure = memory_copy_text(why);
    supervisor_tell(place, SLOT_ON_NEW_DIED);
}

static void tell_owner(struct place *place, enum slot_event event, unsigned actions) {
    const struct instance *instance = place->pool->instance;
    const struct supervisor_events *events = instance->events;
    if (actions & SLOT_DO_TELL_READY)
        events->replaced(instance->owner, place);
    if (actions & SLOT_DO_TELL_FAILED)
        events->not_replaced(instance->owner, place);
    if (event == SLOT_ON_NEW_DIED)
        events->not_started(instance->owner, place);
}

static bool is_waiting_for_child(const struct place *place) {
    return (place->slot.state == SLOT_STARTING || place->slot.state == SLOT_REPLACING) &&
           !place->coming;
}

static uint32_t draw(void) {
    uint32_t value = (uint32_t)uv_hrtime();
    (void)uv_random(NULL, NULL, &value, sizeof(value), 0, NULL);
    return value;
}

void supervisor_tell(struct place *place, enum slot_event event) {
    struct slot_step step = slot_step(&place->slot, event, now_of(place), draw());
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
    tell_owner(place, event, step.actions);
    /* Who may have retired the slot meanwhile, or freed the pool: the place itself lives until
     * the loop has closed its timer. */
    if ((step.actions & SLOT_DO_SPAWN) && is_waiting_for_child(place))
        spawn(place);
    if ((step.actions & SLOT_DO_WAIT) && place->slot.state == SLOT_BACKOFF)
        wait_to_retry(place, step.wait_ms);
    if (event == SLOT_ON_READY)
        place->pool->instance->events->became_ready(place->pool->instance->owner);
}

static void note_listening(const struct place *place) {
    struct list *node;
    list_each (node, &place->pool->services)
        service_note_listening(service_of(node), place->index, is_of_next(place));
}

static void on_child_ready(struct child *child) {
    struct place *place = place_of(child);
    siblings_announce(child);
    if (place->coming != child)
        return;
    note_listening(place);
    supervisor_tell(place, SLOT_ON_READY);
}

static char *describe_end(const struct child *child, int status, int signal) {
    if (child->refusal)
        return memory_copy_text(child->refusal);
    if (signal)
        return memory_format("killed by %s%s%s%s", process_signal_name(signal),
                             child->killed_for[0] ? " (" : "", child->killed_for,
                             child->killed_for[0] ? ")" : "");
    return memory_format("exited with code %d", status);
}

/* Slot, pid, signal or exit code, uptime, connections lost, the callback and the code it was
 * in: from its page, which outlives the process. */
static void log_obituary(const struct child *child, const char *end) {
    char lived[32], place[512];
    struct obituary_app app = {child->app, child->build_id};
    uint64_t callback = scoreboard_read(child->page, COUNTER_CALLBACK);
    human_duration(now_of(place_of(child)) - child->started_ms, lived, sizeof(lived));
    obituary_place(child->page, &app, place, sizeof(place));
    log_error("%s: pid %d %s after %s, generation %u, in %s; %" PRIu64 " connections lost%s",
              child->label, child->spawned.pid, end, lived, child->generation,
              callback == SCORE_IN_NONE ? "the loop" : score_callback_name(callback),
              child->tally.values[COUNTER_CONNECTIONS], place);
}

static void note_end(struct place *place, const struct child *child, int status, int signal) {
    char *end = describe_end(child, status, signal);
    if (child_has_ended_well(child, status, signal))
        log_info("%s: pid %d has ended; it closed %" PRIu64 " connections", child->label,
                 child->spawned.pid, child->closed);
    else if (child->refusal)
        log_error("%s: pid %d: %s", child->label, child->spawned.pid, end);
    else
        log_obituary(child, end);
    if (child->role == CHILD_DRAINING) {
        free(end);
        return;
    }
    free(place->last_failure);
    place->last_failure = end;
}

static void on_child_ended(struct child *child, int status, int signal) {
    struct place *place = place_of(child);
    tally_add(&place->sums, child_count(child));
    note_end(place, child, status, signal);
    siblings_withdraw(child);
    if (place->coming == child) {
        place->coming = NULL;
        supervisor_tell(place, SLOT_ON_NEW_DIED);
    } else if (place->serving == child) {
        place->serving = NULL;
        supervisor_tell(place, child_has_ended_well(child, status, signal) ? SLOT_ON_ENDED
                                                                           : SLOT_ON_DIED);
    }
}

void supervisor_check_empty(struct pool *pool) {
    const struct instance *instance = pool->instance;
    for (unsigned i = 0; i < pool->place_count; i++)
        if (pool->places[i]->slot.state == SLOT_DRAINING &&
            !place_next_child(pool->places[i], NULL))
            supervisor_tell(pool->places[i], SLOT_ON_EMPTY);
    if (pool->is_leaving && list_is_empty(&pool->children))
        pool_free(pool);
    instance->events->lost_child(instance->owner);
}

static void on_child_gone(void *owner) {
    struct place *place = owner;
    supervisor_check_empty(place->pool);
}
