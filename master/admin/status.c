/* SPDX-License-Identifier: MIT
 *
 * See status.h. The numbers of a worker are those of its last beat; of one that is busy those
 * on the scoreboard, which it writes itself while its loop turns.
 */
#include "status.h"

#include <math.h>
#include <unistd.h>

#include "child.h"
#include "crewman.h"
#include "instance.h"
#include "process.h"
#include "service.h"

static const char *state_of(const struct child *child) {
    if (child->role == CHILD_DRAINING)
        return "draining";
    if (!child->is_ready)
        return "starting";
    return child_is_busy(child) ? "busy" : "ready";
}

static void set_count(json_t *row, const char *name, uint64_t value) {
    json_object_set_new(row, name, json_integer((json_int_t)value));
}

static void add_counters(json_t *row, const struct child *child) {
    const struct beat *beat = &child->beat;
    const struct place *place = child->owner;
    const struct score_line *line = &place->service->board->lines[child->line];
    bool is_busy = child_is_busy(child);
    set_count(row, "connections", is_busy ? score_get(line->connections) : beat->connections);
    set_count(row, "accepted", beat->accepted);
    set_count(row, "messages_in", beat->messages_in);
    set_count(row, "messages_out", beat->messages_out);
    set_count(row, "bytes_in", beat->bytes_in);
    set_count(row, "bytes_out", beat->bytes_out);
    json_object_set_new(row, "rate",
                        json_real(is_busy ? 0.0 : round(child->rate * 10.0) / 10.0));
    set_count(row, "send_failures", beat->send_failures);
    set_count(row, "reaped", beat->reaped);
    set_count(row, "refused", beat->refused);
    set_count(row, "protocol_errors", beat->protocol_errors);
    set_count(row, "limit_errors", beat->limit_errors);
    set_count(row, "timeouts", beat->timeouts);
    set_count(row, "timers", beat->timers);
    set_count(row, "lag_us", beat->lag_us);
    set_count(row, "turns", score_get(line->ticks));
    json_object_set_new(row, "callback",
                        json_string(score_callback_name(score_get(line->callback))));
}

static json_t *row_of_child(const struct child *child) {
    const struct place *place = child->owner;
    const struct service *service = place->service;
    uint64_t now = uv_now(&service->instance->loop);
    json_t *row = json_pack(
        "{s:s, s:i, s:i, s:i, s:s, s:s, s:s, s:I, s:I, s:i}", "service", service->name, "slot",
        (int)place->index, "generation", (int)child->generation, "pid", (int)child->process.pid,
        "label", service->label, "listen", service->listen, "state", state_of(child), "rss",
        (json_int_t)process_rss(child->process.pid), "uptime_ms",
        (json_int_t)(now - child->started_ms), "restarts", (int)place->slot.restarts);
    add_counters(row, child);
    return row;
}

/* A slot that has no process: it waits, or has given up. */
static json_t *row_of_empty(const struct place *place) {
    const struct service *service = place->service;
    uint64_t now = uv_now(&service->instance->loop);
    uint64_t wait = place->slot.state == SLOT_BACKOFF && place->retry_at_ms > now
                        ? place->retry_at_ms - now
                        : 0;
    return json_pack("{s:s, s:i, s:i, s:n, s:s, s:s, s:s, s:i, s:I, s:s}", "service",
                     service->name, "slot", (int)place->index, "generation",
                     (int)service->instance->generation, "pid", "label", service->label,
                     "listen", service->listen, "state", slot_state_name(place->slot.state),
                     "restarts", (int)place->slot.restarts, "retry_in_ms", (json_int_t)wait,
                     "reason", place->last_failure ? place->last_failure : "");
}

static void add_rows(json_t *rows, const struct service *service) {
    struct list *node;
    for (unsigned i = 0; i < service->place_count; i++) {
        const struct place *place = service->places[i];
        list_each (node, &service->children) {
            const struct child *child = list_entry(node, struct child, in_siblings);
            if (child->owner == place)
                json_array_append_new(rows, row_of_child(child));
        }
        if (place->slot.state == SLOT_BACKOFF || place->slot.state == SLOT_FAILED)
            json_array_append_new(rows, row_of_empty(place));
    }
}

static json_t *describe_master(const struct instance *instance) {
    static const char *const phases[] = {"starting", "running", "stopping"};
    double load[3] = {0};
    const char *phase = instance->is_reloading ? "reloading" : phases[instance->phase];
    uv_loadavg(load);
    return json_pack("{s:s, s:i, s:s, s:I, s:i, s:s, s:s, s:[f, f, f], s:I, s:I}", "version",
                     CREW_VERSION, "pid", (int)getpid(), "phase", phase, "uptime_ms",
                     (json_int_t)(uv_now(&instance->loop) - instance->started_ms), "generation",
                     (int)instance->generation, "config",
                     instance->config->path ? instance->config->path : "", "run_dir",
                     instance->config->run_dir, "load", load[0], load[1], load[2], "rss",
                     (json_int_t)process_rss(getpid()), "turns", (json_int_t)instance->turns);
}

json_t *status_make(const struct instance *instance) {
    json_t *rows = json_array();
    struct list *node;
    list_each (node, &instance->services)
        add_rows(rows, list_entry(node, struct service, in_instance));
    return json_pack("{s:o, s:o}", "master", describe_master(instance), "workers", rows);
}

json_t *status_roster(const struct instance *instance) {
    json_t *rows = json_array();
    struct list *node, *inner;
    list_each (node, &instance->services) {
        const struct service *service = list_entry(node, struct service, in_instance);
        list_each (inner, &service->children) {
            const struct child *child = list_entry(inner, struct child, in_siblings);
            const struct place *place = child->owner;
            json_array_append_new(
                rows, json_pack("{s:s, s:i, s:i, s:i, s:s}", "service", service->name, "slot",
                                (int)place->index, "generation", (int)child->generation, "pid",
                                (int)child->process.pid, "socket", child->admin_path));
        }
    }
    return json_pack("{s:o}", "workers", rows);
}
