/* SPDX-License-Identifier: MIT
 *
 * See kind_worker.h. The plan's fields: docs/control-protocol.md.
 */
#include "kind_worker.h"

#include <string.h>

#include "descriptors.h"
#include "instance.h"
#include "log.h"

/* The next service of the process that is born, in the order of the configuration. NULL: there
 * is none any more. */
static const struct config_service *next_service(const struct birth *birth, size_t *at) {
    while (*at < birth->config->service_count) {
        const struct config_service *config = &birth->config->services[(*at)++];
        if (strcmp(config_process_name(config), birth->place->pool->name) == 0)
            return config;
    }
    return NULL;
}

static int listener_of(const struct birth *birth, const struct config_service *config) {
    const struct service *service = pool_service(birth->place->pool, config->name);
    return service_listener(service, birth->place->index, birth->is_new);
}

/* That of all its services but built-in ones. */
static const char *app_of(const struct birth *birth) {
    const struct config_service *config;
    size_t at = 0;
    while ((config = next_service(birth, &at)))
        if (config->app[0])
            return config->app;
    return "";
}

static struct obituary_app name_app(const struct birth *birth) {
    const char *path = app_of(birth), *slash = strrchr(path, '/');
    return (struct obituary_app){slash ? slash + 1 : path,
                                 birth->pin ? birth->pin->build_id : ""};
}

/* A listener for each service that has an address; behind those the copy of the app. */
static void equip(struct birth *birth) {
    const struct config_service *config;
    size_t at = 0;
    while ((config = next_service(birth, &at))) {
        int fd = listener_of(birth, config);
        if (fd >= 0)
            birth->own_fds[birth->own_count++] = fd;
    }
    birth->app = name_app(birth);
    if (birth->pin)
        birth->own_fds[birth->own_count++] = birth->pin->fd;
}

/* Their listeners stand behind each other, as equip() has put them. */
static json_t *services(const struct birth *birth) {
    const struct config_service *config;
    json_t *list = json_array();
    size_t at = 0;
    int next_fd = DESCRIPTOR_OWN;
    while ((config = next_service(birth, &at))) {
        int fd = listener_of(birth, config) < 0 ? -1 : next_fd++;
        json_array_append_new(list, json_pack("{s:s, s:O, s:i}", "service", config->name,
                                              "config", config->effective, "listener", fd));
    }
    return list;
}

static json_t *plan(const struct birth *birth) {
    const struct pool *pool = birth->place->pool;
    const struct config *config = birth->config;
    const struct config_service *agreed = birth->is_new ? pool->next : pool->config;
    json_t *plan = json_pack(
        "{s:s, s:o, s:s, s:s, s:i, s:i, s:I, s:s, s:s, s:s, s:I, s:I}", "name", pool->name,
        "services", services(birth), "app", app_of(birth), "runtimes", config->runtimes, "slot",
        (int)birth->place->index, "generation", (int)birth->generation, "process",
        (json_int_t)birth->number, "user", agreed->user, "group", agreed->group, "log_level",
        log_level_name((enum crew_log_level)config->log_level), "drain_timeout_ms",
        (json_int_t)config->drain_timeout_ms, "spread_ms",
        (json_int_t)config->reload_spread_ms);
    if (birth->pin)
        json_object_set_new(plan, "app_fd",
                            json_integer(DESCRIPTOR_OWN + birth->own_count - 1));
    return plan;
}

const struct kind *kind_worker(void) {
    static const struct kind row = {"worker", PROGRAM_WORKER, equip, plan};
    return &row;
}
