/* SPDX-License-Identifier: MIT
 *
 * See kind_worker.h. The plan's fields: docs/control-protocol.md.
 */
#include "kind_worker.h"

#include "instance.h"
#include "log.h"

/* Its listener, if the service has an address. */
static void equip(struct birth *birth) {
    const struct place *place = birth->place;
    int fd = service_listener(place->service, place->index, birth->is_new);
    if (fd < 0)
        return;
    birth->own_fds[0] = fd;
    birth->own_count = 1;
}

static json_t *plan(const struct birth *birth) {
    const struct service *service = birth->place->service;
    const struct config *config = birth->config;
    return json_pack(
        "{s:s, s:O, s:s, s:s, s:i, s:i, s:I, s:i, s:i, s:i, s:b, s:s, s:s, s:s, s:I, s:I}",
        "service", service->name, "config", birth->service->effective, "app",
        birth->service->app, "runtimes", config->runtimes, "slot", (int)birth->place->index,
        "generation", (int)birth->generation, "process", (json_int_t)birth->number, "listener",
        birth->own_count > 0 ? CHILD_OWN_FIRST : -1, "page", 4, "admin", 5, "stdout_is_log",
        service->instance->is_daemon ? 1 : 0, "user", birth->service->user, "group",
        birth->service->group, "log_level",
        log_level_name((enum crew_log_level)config->log_level), "drain_timeout_ms",
        (json_int_t)config->drain_timeout_ms, "spread_ms",
        (json_int_t)config->reload_spread_ms);
}

const struct kind *kind_worker(void) {
    static const struct kind row = {"worker", "crewman-worker", equip, plan};
    return &row;
}
