/* SPDX-License-Identifier: MIT
 *
 * See plan.h. The channel has checked names and types against the table; here is what only a
 * worker can check.
 */
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crewman.h"
#include "log.h"

static long long number(const json_t *body, const char *key) {
    return json_integer_value(json_object_get(body, key));
}

static const char *text(const json_t *body, const char *key) {
    const char *value = json_string_value(json_object_get(body, key));
    return value ? value : "";
}

static int check_range(const json_t *body, const char *key, long long min, long long max,
                       char *why, size_t size) {
    long long value = number(body, key);
    if (value >= min && value <= max)
        return 0;
    snprintf(why, size, "plan: %s is %lld, expected %lld to %lld", key, value, min, max);
    return CREW_EINVAL;
}

/* A name that is cut may be somebody else's. */
static int copy_text(const json_t *body, const char *key, char *copy, size_t copy_size,
                     char *why, size_t size) {
    const char *value = text(body, key);
    if (strlen(value) < copy_size) {
        memcpy(copy, value, strlen(value) + 1);
        return 0;
    }
    snprintf(why, size, "plan: %s is %zu bytes long, expected at most %zu", key, strlen(value),
             copy_size - 1);
    return CREW_EINVAL;
}

static int check(const json_t *body, char *why, size_t size) {
    static const struct {
        const char *key;
        long long min, max;
    } ranges[] = {
        {"slot", 0, CONFIG_WORKERS_MAX - 1},
        {"generation", 1, INT32_MAX},
        {"process", 1, (1 << 24) - 1},
        {"app_fd", 0, INT32_MAX},
    };
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        if (!json_object_get(body, ranges[i].key)) /* of those that need not be there */
            continue;
        int err = check_range(body, ranges[i].key, ranges[i].min, ranges[i].max, why, size);
        if (err)
            return err;
    }
    return 0;
}

static int load_service(json_t *row, struct plan_service *out_service, char *why, size_t size) {
    struct plan_service service = {0};
    const char *name;
    json_t *config;
    json_int_t listener;
    json_error_t error;
    if (json_unpack_ex(row, &error, 0, "{s:s, s:o, s:I}", "service", &name, "config", &config,
                       "listener", &listener) != 0) {
        snprintf(why, size, "plan: services: %s", error.text);
        return CREW_EINVAL;
    }
    int err = check_range(row, "listener", -1, INT32_MAX, why, size);
    if (!err)
        err = config_service_load(name, config, &service.config, why, size);
    if (err)
        return err;
    service.listener_fd = (int)listener;
    *out_service = service;
    return 0;
}

static int load_services(const json_t *list, struct plan *plan, char *why, size_t size) {
    size_t count = json_array_size(list);
    if (count == 0 || count > CONFIG_SERVICES_MAX) {
        snprintf(why, size, "plan: services are %zu, expected 1 to %d", count,
                 CONFIG_SERVICES_MAX);
        return CREW_EINVAL;
    }
    plan->services = calloc(count, sizeof(*plan->services));
    if (!plan->services) {
        snprintf(why, size, "plan: out of memory");
        return CREW_ENOMEM;
    }
    while (plan->service_count < count) {
        struct plan_service *service = &plan->services[plan->service_count];
        int err = load_service(json_array_get(list, plan->service_count), service, why, size);
        if (err) {
            plan_done(plan);
            return err;
        }
        plan->service_count++;
    }
    return 0;
}

int plan_load(const json_t *body, struct plan *out_plan, char *out_why, size_t size) {
    struct plan plan = {0};
    int err = check(body, out_why, size);
    if (!err)
        err = copy_text(body, "name", plan.name, sizeof(plan.name), out_why, size);
    if (!err)
        err = copy_text(body, "user", plan.user, sizeof(plan.user), out_why, size);
    if (!err)
        err = copy_text(body, "group", plan.group, sizeof(plan.group), out_why, size);
    if (!err)
        err = copy_text(body, "app", plan.app, sizeof(plan.app), out_why, size);
    if (!err)
        err = copy_text(body, "runtimes", plan.runtimes, sizeof(plan.runtimes), out_why, size);
    if (!err)
        err = load_services(json_object_get(body, "services"), &plan, out_why, size);
    if (err)
        return err;
    plan.slot = (unsigned)number(body, "slot");
    plan.generation = (unsigned)number(body, "generation");
    plan.process = (uint32_t)number(body, "process");
    plan.app_fd = json_object_get(body, "app_fd") ? (int)number(body, "app_fd") : -1;
    int level = log_level_parse(text(body, "log_level"));
    plan.log_level = level < 0 ? CREW_LOG_NOTICE : level;
    plan.drain_timeout_ms = (uint64_t)number(body, "drain_timeout_ms");
    plan.spread_ms = (uint64_t)number(body, "spread_ms");
    *out_plan = plan;
    return 0;
}

void plan_done(struct plan *plan) {
    for (size_t i = 0; i < plan->service_count; i++)
        config_service_done(&plan->services[i].config);
    free(plan->services);
    plan->services = NULL;
    plan->service_count = 0;
}
