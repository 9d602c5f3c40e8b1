/* SPDX-License-Identifier: MIT
 *
 * Layers into a struct, and the checks across keys. A complaint stands where the winning value
 * was written, in the file before the app: that is where people look.
 */
#include "config_service.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config_render.h"
#include "config_value.h"
#include "memory.h"

struct config_path config_service_path(const char *name) {
    return (struct config_path){.parts = {"services", name}, .depth = 2, .index = -1};
}

bool config_service_is_name(const char *name) {
    size_t len = strlen(name);
    return len >= 1 && len <= CONFIG_NAME_MAX && config_value_is_of_name(name);
}

void config_service_build(struct config_draft *draft, const char *name) {
    const struct config_table *table = config_table_get(CONFIG_OF_SERVICE);
    struct config_service *service = &draft->service;
    char why[256];
    snprintf(service->name, sizeof(service->name), "%s", name);
    for (size_t i = 0; i < table->count; i++) {
        size_t layer = config_layer_store(draft->layers, LAYER_COUNT, &table->rows[i], service);
        draft->origins[i] = (unsigned char)layer;
    }
    if (listen_parse(service->listen_text, &service->listen, why, sizeof(why)) < 0)
        service->listen = (struct listen_address){.protocol = LISTEN_NONE};
    service->effective = config_render_block(CONFIG_OF_SERVICE, service);
}

void config_service_set_app(struct config_draft *draft, const char *app) {
    struct config_service *service = &draft->service;
    free(service->app);
    service->app = memory_copy_text(app);
    service->kind = CONFIG_KIND_APP; /* whatever the app says, who may not */
    config_service_render(draft);
}

void config_service_render(struct config_draft *draft) {
    struct config_service *service = &draft->service;
    json_decref(service->effective);
    service->effective = config_render_block(CONFIG_OF_SERVICE, service);
}

unsigned config_service_origin(const struct config_draft *draft, const char *path) {
    const struct config_row *row = config_table_find(CONFIG_OF_SERVICE, path);
    assert(row);
    return draft->origins[row - config_table_get(CONFIG_OF_SERVICE)->rows];
}

/* False while an app may still change one of the two. */
static bool is_decided(const struct config_draft *draft, const char *a, const char *b) {
    return draft->is_complete || (config_service_origin(draft, a) == LAYER_FILE &&
                                  config_service_origin(draft, b) == LAYER_FILE);
}

/* The value of a key as it was written, wherever that was. */
static void show_value(const struct config_draft *draft, const char *path,
                       char out_text[CONFIG_SHOWN_MAX]) {
    unsigned from = config_service_origin(draft, path);
    if (from < LAYER_COUNT)
        config_report_show(config_check_lookup(draft->layers[from].block, path), out_text);
    else
        snprintf(out_text, CONFIG_SHOWN_MAX, "%s",
                 config_table_find(CONFIG_OF_SERVICE, path)->fallback);
}

static const struct config_source *source_of(const struct config_draft *draft,
                                             const char *path) {
    static const struct config_source nowhere = {.name = "the defaults"};
    unsigned from = config_service_origin(draft, path);
    const struct config_layer *layer = &draft->layers[from < LAYER_COUNT ? from : LAYER_FILE];
    return layer->source ? layer->source : &nowhere;
}

void config_service_place(const struct config_draft *draft, const char *path, char *out_text,
                          size_t size) {
    char buffer[CONFIG_PATH_BUFFER];
    struct config_path base = config_service_path(draft->service.name);
    struct config_path whole = config_check_path(&base, path, buffer);
    config_report_place(source_of(draft, path), &whole, out_text, size);
}

void config_service_complain(const struct config_draft *draft, const char *path,
                             struct config_errors *errors, const char *format, ...) {
    char buffer[CONFIG_PATH_BUFFER], shown[CONFIG_SHOWN_MAX], what[1024];
    struct config_path base = config_service_path(draft->service.name);
    struct config_path whole = config_check_path(&base, path, buffer);
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    show_value(draft, path, shown);
    config_report_at_value(errors, source_of(draft, path), &whole, "found %s; expected %s",
                           shown, what);
}

static void check_heartbeat(const struct config_draft *draft, struct config_errors *errors) {
    static const char ping[] = "heartbeat.ping_interval", idle[] = "heartbeat.idle_timeout";
    const struct config_heartbeat *heartbeat = &draft->service.heartbeat;
    uint64_t ping_ms = heartbeat->ping_interval_ms, idle_ms = heartbeat->idle_timeout_ms;
    char other[CONFIG_SHOWN_MAX];
    if (ping_ms == 0 || idle_ms == 0 || ping_ms < idle_ms || !is_decided(draft, ping, idle))
        return;
    if (config_service_origin(draft, idle) <= config_service_origin(draft, ping)) {
        show_value(draft, ping, other);
        config_service_complain(draft, idle, errors, "more than %s, which is %s", ping, other);
    } else {
        show_value(draft, idle, other);
        config_service_complain(draft, ping, errors, "less than %s, which is %s", idle, other);
    }
}

static void check_client_ping(const struct config_draft *draft, struct config_errors *errors) {
    static const char ping[] = "heartbeat.client_ping", pong[] = "heartbeat.client_pong";
    const struct config_heartbeat *heartbeat = &draft->service.heartbeat;
    if (*heartbeat->client_pong && !*heartbeat->client_ping && is_decided(draft, ping, pong))
        config_service_complain(draft, pong, errors, "%s to be set too", ping);
}

static void check_reuse_port(const struct config_draft *draft, struct config_errors *errors) {
    if (draft->service.reuse_port && draft->service.listen.is_unix &&
        is_decided(draft, "reuse_port", "listen"))
        config_service_complain(draft, "reuse_port", errors,
                                "false, as listen is a unix socket");
}

/* A peer must always meet the same worker: on a shared socket it meets any of them. */
static void check_udp(const struct config_draft *draft, struct config_errors *errors) {
    static const char timeout[] = "udp.session_timeout";
    const struct config_service *service = &draft->service;
    if (service->udp_session_timeout_ms == 0 || !is_decided(draft, timeout, "listen"))
        return;
    if (!listen_is_datagram(service->listen.protocol))
        config_service_complain(draft, timeout, errors, "0, as listen is no udp address");
    else if (service->workers > 1 && !service->reuse_port && draft->is_complete)
        config_service_complain(
            draft, timeout, errors,
            "0, or one worker, or reuse_port, with which a peer keeps its worker");
}

/* Whether it may be read is for the worker to say, who has another user. */
static void check_static(const struct config_draft *draft, struct config_errors *errors) {
    static const char root[] = "static.root";
    const char *path = draft->service.files.root;
    struct stat st;
    if (path[0] == '\0' || !is_decided(draft, root, root))
        return;
    bool is_found = stat(path, &st) == 0;
    if (is_found ? !S_ISDIR(st.st_mode) : errno == ENOENT || errno == ENOTDIR)
        config_service_complain(draft, root, errors, "a folder that exists");
}

void config_service_check(const struct config_draft *draft, struct config_errors *errors) {
    check_heartbeat(draft, errors);
    check_client_ping(draft, errors);
    check_reuse_port(draft, errors);
    check_udp(draft, errors);
    check_static(draft, errors);
}

static bool is_from_file(const struct config_draft *draft) {
    return config_service_origin(draft, "listen") == LAYER_FILE &&
           config_service_origin(draft, "reuse_port") == LAYER_FILE;
}

static bool may_share(const struct config_draft *a, const struct config_draft *b) {
    if (!listen_overlaps(&a->service.listen, &b->service.listen))
        return true;
    if (a->service.reuse_port && b->service.reuse_port)
        return true;
    return !a->is_complete && !(is_from_file(a) && is_from_file(b));
}

void config_service_check_all(const struct config_draft *drafts, size_t count,
                              struct config_errors *errors) {
    for (size_t i = 1; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (may_share(&drafts[i], &drafts[j]))
                continue;
            const struct config_service *other = &drafts[j].service;
            config_service_complain(&drafts[i], "listen", errors,
                                    "another address than that of services.%s, \"%s\"",
                                    other->name, other->listen_text);
        }
    }
}

int config_service_load(const char *name, const json_t *effective,
                        struct config_service *out_service, char *out_why, size_t size) {
    struct config_source source = {.name = "plan"};
    struct config_errors errors = {0};
    struct config_check check = {.scope = CONFIG_OF_SERVICE,
                                 .source = &source,
                                 .base = config_service_path(name),
                                 .errors = &errors};
    struct config_draft draft = {.layers = {{&source, effective}}, .is_complete = true};
    if (!config_service_is_name(name) || !json_is_object(effective)) {
        snprintf(out_why, size,
                 "plan: service \"%s\": expected 1 to %d of a-z, 0-9, _ and -, and an object",
                 name, CONFIG_NAME_MAX);
        return -EINVAL;
    }
    config_check_block(&check, effective);
    if (errors.count == 0) {
        config_service_build(&draft, name);
        config_service_check(&draft, &errors);
    }
    if (errors.count > 0) {
        snprintf(out_why, size, "%s", errors.lines[0]);
        config_errors_done(&errors);
        config_service_done(&draft.service);
        return -EINVAL;
    }
    *out_service = draft.service;
    return 0;
}

void config_service_done(struct config_service *service) {
    const struct config_table *table = config_table_get(CONFIG_OF_SERVICE);
    for (size_t i = 0; i < table->count; i++)
        config_value_done(&table->rows[i], service);
    json_decref(service->effective);
    *service = (struct config_service){0};
}
