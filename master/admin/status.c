/* SPDX-License-Identifier: MIT
 *
 * See status.h. Gauges are those of a process. Totals are those of a slot: of all processes
 * that it has had, and shown in one of its rows, so that they never fall and adding rows up
 * counts nothing twice.
 */
#include "status.h"

#include <math.h>
#include <unistd.h>

#include "child.h"
#include "crewman.h"
#include "heal.h"
#include "instance.h"
#include "outlet.h"
#include "pool.h"
#include "process.h"

static const char *state_of(const struct child *child) {
    if (child->role == CHILD_DRAINING)
        return "draining";
    if (!child->is_ready)
        return "starting";
    if (heal_is_deaf(child))
        return "deaf";
    if (child_is_busy(child))
        return "busy";
    return scoreboard_read(child->page, COUNTER_STATE) == SCORE_FULL ? "full" : "ready";
}

static void set_count(json_t *row, const char *name, uint64_t value) {
    json_object_set_new(row, name, json_integer((json_int_t)value));
}

/* The child in whose row the totals of the slot stand; NULL: in the row without process. */
static const struct child *first_of(const struct place *place) {
    const struct child *newest = NULL, *child = NULL;
    if (place->serving || place->coming)
        return place->serving ? place->serving : place->coming;
    if (place->slot.state == SLOT_BACKOFF)
        return NULL;
    while ((child = place_next_child(place, child)))
        newest = child;
    return newest;
}

static struct tally tally_of(const struct place *place) {
    struct tally tally = place->sums;
    struct child *child = NULL;
    while ((child = place_next_child(place, child)))
        tally_add(&tally, child_count(child));
    return tally;
}

static void add_kind(json_t *row, enum counter_kind kind, const struct tally *tally) {
    for (unsigned id = 0; id < COUNTER_COUNT; id++) {
        const struct counter *counter = counter_get((enum counter_id)id);
        if (counter->kind == kind)
            set_count(row, counter->name, tally->values[id]);
    }
}

/* `is_first`: the row shows the slot's totals; the others of the slot show none. */
static void add_totals(json_t *row, const struct place *place, bool is_first) {
    struct tally tally = {{0}};
    if (is_first)
        tally = tally_of(place);
    json_object_set_new(row, "has_totals", json_boolean(is_first));
    add_kind(row, COUNTER_KIND_TOTAL, &tally);
}

static void add_counters(json_t *row, struct child *child) {
    const struct tally *tally = child_count(child);
    double rate = child_is_busy(child) ? 0.0 : round(child->rate * 10.0) / 10.0;
    add_kind(row, COUNTER_KIND_GAUGE, tally);
    json_object_set_new(row, "rate", json_real(rate));
    json_object_set_new(
        row, "callback",
        json_string(score_callback_name(scoreboard_read(child->page, COUNTER_CALLBACK))));
    add_totals(row, child->owner, first_of(child->owner) == child);
}

/* Each with what is configured of it. */
static json_t *services_of(const struct pool *pool) {
    json_t *list = json_array();
    struct list *node;
    list_each (node, &pool->services) {
        const struct service *service = service_of(node);
        if (!pool->config || !service_is_new(service))
            json_array_append_new(list,
                                  json_pack("{s:s, s:s, s:s}", "name", service->name, "label",
                                            service->label, "listen", service->listen));
    }
    return list;
}

/* Which of them take no more connections: only where the child has the same services as these.
 */
static void add_fullness(const json_t *services, const struct child *child) {
    uint64_t names = 0, full = scoreboard_read(child->page, COUNTER_FULL_SERVICES);
    json_t *service;
    size_t i;
    json_array_foreach(services, i, service) {
        names = score_services(names, json_string_value(json_object_get(service, "name")));
    }
    bool is_known = child->is_ready && scoreboard_read(child->page, COUNTER_SERVICES) == names;
    json_array_foreach(services, i, service) {
        bool is_full = is_known && i < 64 && (full >> i & 1);
        json_object_set_new(service, "is_full", json_boolean(is_full));
    }
}

/* In one text, for people. */
static json_t *join(const json_t *services, const char *key) {
    json_t *all = json_string(""), *service;
    size_t i;
    json_array_foreach(services, i, service) {
        const char *text = json_string_value(json_object_get(service, key));
        const char *before = json_string_value(all);
        json_t *longer = json_sprintf("%s%s%s", before, *before && *text ? ", " : "", text);
        json_decref(all);
        all = longer;
    }
    return all;
}

/* What every row has of its slot. */
static json_t *row_of(const struct place *place, unsigned generation, const char *state) {
    json_t *services = services_of(place->pool);
    return json_pack("{s:s, s:i, s:i, s:o, s:o, s:s, s:i, s:o}", "service", place->pool->name,
                     "slot", (int)place->index, "generation", (int)generation, "label",
                     join(services, "label"), "listen", join(services, "listen"), "state",
                     state, "restarts", (int)place->slot.restarts, "services", services);
}

static json_t *row_of_child(struct child *child) {
    const struct place *place = child->owner;
    uint64_t now = uv_now(&place->pool->instance->loop);
    json_t *row = row_of(place, child->generation, state_of(child));
    add_fullness(json_object_get(row, "services"), child);
    json_object_set_new(row, "pid", json_integer(child->spawned.pid));
    set_count(row, "rss", process_rss(child->spawned.pid));
    set_count(row, "uptime_ms", now - child->started_ms);
    add_counters(row, child);
    return row;
}

/* A slot that has no process: it waits, or has given up. */
static json_t *row_of_empty(const struct place *place) {
    const struct instance *instance = place->pool->instance;
    uint64_t now = uv_now(&instance->loop);
    uint64_t wait = place->slot.state == SLOT_BACKOFF && place->retry_at_ms > now
                        ? place->retry_at_ms - now
                        : 0;
    json_t *row = row_of(place, instance->generation, slot_state_name(place->slot.state));
    json_object_set_new(row, "pid", json_null());
    set_count(row, "retry_in_ms", wait);
    json_object_set_new(row, "reason",
                        json_string(place->last_failure ? place->last_failure : ""));
    add_totals(row, place, true);
    return row;
}

static void add_rows(json_t *rows, const struct pool *pool) {
    for (unsigned i = 0; i < pool->place_count; i++) {
        const struct place *place = pool->places[i];
        struct child *child = NULL;
        while ((child = place_next_child(place, child)))
            json_array_append_new(rows, row_of_child(child));
        if (place->slot.state == SLOT_BACKOFF)
            json_array_append_new(rows, row_of_empty(place));
    }
}

static json_t *describe_master(const struct instance *instance) {
    static const char *const phases[] = {"starting", "running", "stopping"};
    double load[3] = {0};
    const char *phase = instance->is_reloading ? "reloading" : phases[instance->phase];
    uv_loadavg(load);
    return json_pack(
        "{s:s, s:i, s:s, s:I, s:i, s:s, s:s, s:[f, f, f], s:I, s:I, s:I, s:I, s:I}", "version",
        CREW_VERSION, "pid", (int)getpid(), "phase", phase, "uptime_ms",
        (json_int_t)(uv_now(&instance->loop) - instance->started_ms), "generation",
        (int)instance->generation, "config",
        instance->config->path ? instance->config->path : "", "run_dir",
        instance->config->run_dir, "load", load[0], load[1], load[2], "rss",
        (json_int_t)process_rss(getpid()), "turns", (json_int_t)instance->turns, "log_waiting",
        (json_int_t)outlet_waiting(instance->log), "log_lost",
        (json_int_t)outlet_lost(instance->log), "sockets_mended", (json_int_t)instance->mended);
}

/* Since the start of the instance, also of slots and services that are no more. */
static json_t *make_totals(const struct instance *instance) {
    struct tally tally = instance->retired;
    struct list *node;
    list_each (node, &instance->pools) {
        const struct pool *pool = pool_of(node);
        for (unsigned i = 0; i < pool->place_count; i++) {
            struct tally slot = tally_of(pool->places[i]);
            tally_add(&tally, &slot);
        }
    }
    json_t *totals = json_object();
    add_kind(totals, COUNTER_KIND_TOTAL, &tally);
    return totals;
}

json_t *status_make(const struct instance *instance) {
    json_t *rows = json_array();
    struct list *node;
    list_each (node, &instance->pools)
        add_rows(rows, pool_of(node));
    return json_pack("{s:o, s:o, s:o}", "master", describe_master(instance), "workers", rows,
                     "totals", make_totals(instance));
}

json_t *status_roster(const struct instance *instance) {
    json_t *rows = json_array();
    struct list *node, *inner;
    list_each (node, &instance->pools) {
        const struct pool *pool = pool_of(node);
        list_each (inner, &pool->children) {
            const struct child *child = child_of(inner);
            const struct place *place = child->owner;
            json_array_append_new(rows, json_pack("{s:s, s:i, s:i, s:i}", "service", pool->name,
                                                  "slot", (int)place->index, "generation",
                                                  (int)child->generation, "pid",
                                                  (int)child->spawned.pid));
        }
    }
    return json_pack("{s:o}", "workers", rows);
}
