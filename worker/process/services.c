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
#include "crash.h"
#include "custom.h"

void services_explain(const struct service *service, char *out_why, size_t size,
                      const char *format, ...) {
    va_list args;
    int len = 0;
    if (service->worker->plan.service_count > 1)
        len = snprintf(out_why, size, "service \"%s\": ", service->config->name);
    if (len < 0 || (size_t)len >= size)
        return;
    va_start(args, format);
    vsnprintf(out_why + len, size - (size_t)len, format, args);
    va_end(args);
}

void services_add(struct service *service) {
    list_append(&service->worker->services, &service->in_worker);
}

static int add_planned(struct worker *worker, const struct service_events *events) {
    const struct plan *plan = &worker->plan;
    uint64_t names = 0;
    for (size_t i = 0; i < plan->service_count; i++) {
        struct service *service = service_new(worker, events);
        if (!service)
            return CREW_ENOMEM;
        service->config = &plan->services[i].config;
        service->listener_fd = plan->services[i].listener_fd;
        service->index = (unsigned)i;
        names = score_services(names, service->config->name);
        services_add(service);
    }
    score_set(worker->line->services, names);
    return 0;
}

/* NULL in *out_app: all services are built-in ones. */
static int load(struct worker *worker, const struct crew_app **out_app, char *why,
                size_t size) {
    *out_app = NULL;
    if (!worker->plan.app[0])
        return 0;
    struct guard_entry entry = guard_enter(&worker->guard, SCORE_IN_LOAD);
    struct app_source source = {worker->plan.app, worker->plan.app_fd, worker->plan.runtimes};
    int err = app_load(&source, out_app, why, size);
    guard_leave(&worker->guard, entry);
    if (!err)
        crash_know_app(*out_app);
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
    if (add_planned(worker, events) != 0) {
        snprintf(out_why, size, "out of memory");
        return LIFECYCLE_EXIT_AGAIN;
    }
    if (load(worker, &app, out_why, size) != 0)
        return LIFECYCLE_EXIT_NEVER;
    services_each (service, worker)
        if (service->stage == SERVICE_NEW && take_callbacks(service, app, out_why, size) != 0)
            return LIFECYCLE_EXIT_NEVER;
    return 0;
}

int services_start(struct worker *worker, char *out_why, size_t size) {
    char reason[512];
    services_each (service, worker) {
        if (service->stage != SERVICE_NEW ||
            service_start(service, reason, sizeof(reason)) == 0)
            continue;
        services_explain(service, out_why, size, "%s", reason);
        return LIFECYCLE_EXIT_NEVER;
    }
    return 0;
}

int services_accept(struct worker *worker, char *out_why, size_t size) {
    services_each (service, worker) {
        int err = service_accept(service);
        if (err) {
            services_explain(service, out_why, size, "cannot accept: %s", crew_strerror(err));
            return LIFECYCLE_EXIT_AGAIN;
        }
    }
    return 0;
}

void services_look(struct worker *worker) {
    services_each (service, worker)
        acceptor_look(service);
}

void services_have_room(struct worker *worker) {
    services_each (service, worker)
        acceptor_room(service);
}

bool services_have_streams(const struct worker *worker) {
    services_each (service, worker)
        if (service_has_streams(service))
            return true;
    return false;
}

void services_stop_accepting(struct worker *worker, bool is_replaced) {
    services_each (service, worker)
        service_stop_accepting(service, is_replaced);
}

void services_stop(struct worker *worker) {
    services_each (service, worker)
        service_stop(service);
}

void services_free(struct worker *worker) {
    while (!list_is_empty(&worker->services))
        service_free(list_entry(worker->services.next, struct service, in_worker));
}
