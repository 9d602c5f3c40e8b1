/* SPDX-License-Identifier: MIT
 *
 * See services.h.
 */
#include "services.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "app.h"
#include "builtin.h"
#include "custom.h"
#include "worker.h"

void services_explain(const struct service *service, char *out_why, size_t size,
                      const char *format, ...) {
    va_list args;
    int len = 0;
    if (service->worker->service_count > 1)
        len = snprintf(out_why, size, "service \"%s\": ", service->config->name);
    if (len < 0 || (size_t)len >= size)
        return;
    va_start(args, format);
    vsnprintf(out_why + len, size - (size_t)len, format, args);
    va_end(args);
}

static int allocate(struct worker *worker, const struct service_events *events) {
    const struct plan *plan = &worker->plan;
    worker->services = calloc(plan->service_count, sizeof(*worker->services));
    if (!worker->services)
        return CREW_ENOMEM;
    worker->service_count = plan->service_count;
    for (size_t i = 0; i < plan->service_count; i++) {
        struct service *service = &worker->services[i];
        service->worker = worker;
        service->events = events;
        service->config = &plan->services[i].config;
        service->listener_fd = plan->services[i].listener_fd;
    }
    return 0;
}

/* NULL in *out_app: all services are built-in ones. */
static int load(struct worker *worker, const struct crew_app **out_app, char *why,
                size_t size) {
    *out_app = NULL;
    if (!worker->plan.app[0])
        return 0;
    struct guard_entry entry = guard_enter(&worker->guard, SCORE_IN_LOAD);
    int err = app_load(worker->plan.app, worker->plan.runtimes, out_app, why, size);
    guard_leave(&worker->guard, entry);
    return err;
}

static int take_callbacks(struct service *service, const struct crew_app *app, char *why,
                          size_t size) {
    enum config_kind kind = (enum config_kind)service->config->kind;
    if (kind != CONFIG_KIND_APP) {
        service->app = *builtin_service(kind);
        return 0;
    }
    if (!app ||
        app_service(app, service->config->name, &service->app, &service->framing) != 0) {
        services_explain(service, why, size, "the app has no such service any more");
        return CREW_ENOENT;
    }
    if (!service->app.protocol)
        return 0;
    char reason[512];
    int err = custom_check(service->app.protocol, service->config, reason, sizeof(reason));
    if (err)
        services_explain(service, why, size, "%s", reason);
    return err;
}

int services_make(struct worker *worker, const struct service_events *events, char *out_why,
                  size_t size) {
    const struct crew_app *app;
    if (allocate(worker, events) != 0) {
        snprintf(out_why, size, "out of memory");
        return LIFECYCLE_EXIT_AGAIN;
    }
    if (load(worker, &app, out_why, size) != 0)
        return LIFECYCLE_EXIT_NEVER;
    for (size_t i = 0; i < worker->service_count; i++)
        if (take_callbacks(&worker->services[i], app, out_why, size) != 0)
            return LIFECYCLE_EXIT_NEVER;
    return 0;
}

void services_free(struct worker *worker) {
    free(worker->services);
    worker->services = NULL;
    worker->service_count = 0;
}
