/* SPDX-License-Identifier: MIT
 *
 * See opened.h.
 */
#include "opened.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app.h"
#include "config_service.h"
#include "custom.h"
#include "listen.h"
#include "log.h"
#include "services.h"
#include "worker.h"

/* What belongs to a process belongs to a service of the instance: the first such field that is
 * set, or NULL. */
static const char *process_field(const struct crew_service *given) {
    const struct {
        bool is_set;
        const char *name;
    } fields[] = {{given->listen, "listen"},
                  {given->process, "process"},
                  {given->label, "label"},
                  {given->reload != 0, "reload"},
                  {given->workers != 0, "workers"},
                  {given->user, "user"},
                  {given->group, "group"},
                  {given->on_worker_start, "on_worker_start"},
                  {given->on_worker_drain, "on_worker_drain"},
                  {given->on_worker_stop, "on_worker_stop"}};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (fields[i].is_set)
            return fields[i].name;
    return NULL;
}

/* The same of its config: the first such key, or NULL. Its socket is of a process too. */
static const char *process_key(const json_t *block) {
    static const char *const keys[] = {"kind",       "app",        "label", "listen",
                                       "process",    "workers",    "user",  "group",
                                       "reloadable", "reuse_port", "socket"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (json_object_get(block, keys[i]))
            return keys[i];
    return json_object_get(json_object_get(block, "limits"), "memory") ? "limits.memory" : NULL;
}

static int refuse_field(const struct crew_service *given, const char *field) {
    log_error("crew_worker_listen: service \"%s\": found %s, which belongs to a process; "
              "expected it unset",
              given->name, field);
    return CREW_EINVAL;
}

static int check_service(const struct crew_service *given) {
    const char *field = process_field(given);
    char why[256];
    int err = app_check_service(given, why, sizeof(why));
    if (err)
        log_error("crew_worker_listen: %s", why);
    else if (field)
        err = refuse_field(given, field);
    return err;
}

/* The block of a service as a config file would have it. NULL with a line in the log. */
static json_t *make_block(const char *address, const struct crew_service *given) {
    char why[512];
    json_t *block = app_read_config(given, why, sizeof(why));
    const char *key = process_key(block);
    if (!block)
        log_error("crew_worker_listen: %s", why);
    else if (key)
        refuse_field(given, key);
    if (!block || key) {
        json_decref(block);
        return NULL;
    }
    json_object_set_new(block, "listen", json_string(address));
    json_object_set_new(block, "reuse_port", json_true());
    return block;
}

/* The configuration's check names a plan as the place: here there is none. */
static const char *after_place(const char *why) {
    static const char place[] = "plan: ";
    return strncmp(why, place, sizeof(place) - 1) == 0 ? why + sizeof(place) - 1 : why;
}

static int read_config(struct service *service, const char *address,
                       const struct crew_service *given) {
    char why[512];
    json_t *block = make_block(address, given);
    if (!block)
        return CREW_EINVAL;
    int err = config_service_load(given->name, block, service->own_config, why, sizeof(why));
    json_decref(block);
    if (!err && given->protocol)
        err = custom_check(given->protocol, service->config, why, sizeof(why));
    if (!err)
        return 0;
    log_error("crew_worker_listen: %s", after_place(why));
    return CREW_EINVAL;
}

/* Not left to the configuration's check, whose words are of a file. */
static int check_address(const char *address) {
    struct listen_address parsed;
    char why[256];
    if (listen_parse(address, &parsed, why, sizeof(why)) != 0) {
        log_error("crew_worker_listen: found \"%s\"; %s", address, why);
        return CREW_EINVAL;
    }
    if (parsed.protocol != LISTEN_NONE && !parsed.is_unix)
        return 0;
    log_error("crew_worker_listen: found \"%s\"; expected an address with a port", address);
    return parsed.is_unix ? CREW_ENOTSUP : CREW_EINVAL;
}

static int bind_socket(struct service *service) {
    const struct config_service *config = service->config;
    int fd = listen_bind(&config->listen, true);
    if (fd < 0)
        return fd;
    if (!listen_is_datagram(config->listen.protocol) && listen(fd, (int)config->backlog) != 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    service->listener_fd = fd;
    return 0;
}

static int start(struct service *service) {
    int fd = service->listener_fd;
    char why[512];
    int err = service_start(service, why, sizeof(why));
    if (err)
        log_error("crew_worker_listen: %s", why);
    else
        err = service_accept(service);
    if (err && !service->udp.is_open)
        close(fd); /* nobody has taken it */
    return err;
}

static struct service *make(struct worker *worker, const struct service_events *events,
                            const struct crew_service *given) {
    struct service *service = service_new(worker, events);
    if (!service)
        return NULL;
    service->config = service->own_config = calloc(1, sizeof(*service->own_config));
    if (!service->config) {
        service_free(service);
        return NULL;
    }
    service->owns_socket = true;
    service->app = *given;
    if (given->protocol) {
        service->framing = *given->protocol;
        service->app.protocol = &service->framing;
    }
    return service;
}

int opened_listen(struct worker *worker, const struct service_events *events,
                  const char *address, const struct crew_service *given, void *arg) {
    int err = check_service(given);
    if (!err)
        err = check_address(address);
    if (err)
        return err;
    struct service *service = make(worker, events, given);
    if (!service)
        return CREW_ENOMEM;
    err = read_config(service, address, given);
    if (!err)
        err = bind_socket(service);
    if (err) { /* an app may try again and again until the address is free */
        service_free(service);
        return err;
    }
    service->endpoint.conn_data = arg;
    err = start(service);
    /* Also after a failure: the loop has handles in it, perhaps. */
    services_add(service);
    if (err)
        service_stop(service);
    return err;
}
