/* SPDX-License-Identifier: MIT
 *
 * See app.h. What the descriptor says is trusted no further than its sizes; code of the app
 * runs first in its constructors.
 */
#include "app.h"

#include <stdio.h>
#include <string.h>

#include "config.h"
#include "config_service.h"
#include "copy.h"
#include "library.h"
#include "origin.h"
#include "runtime.h"
#include "sized.h"

/* What the first header of this ABI had of each; a descriptor that is smaller is none. */
#define APP_SIZE_MIN      (offsetof(struct crew_app, version))
#define SERVICE_SIZE_MIN  (offsetof(struct crew_service, on_worker_start))
#define PROTOCOL_SIZE_MIN (offsetof(struct crew_protocol, decode))

/* The most that a service may ask for with state_size. */
#define STATE_SIZE_MAX ((size_t)64 << 20)

static int fail(char *why, size_t size, const char *path, const char *text) {
    snprintf(why, size, "%s: %s", path, text);
    return CREW_EINVAL;
}

static int check_head(const struct crew_app *app, const char *path, char *why, size_t size) {
    if (app->magic != CREW_MAGIC)
        return fail(why, size, path, "crew_app is no Crewman descriptor: use CREW_APP()");
    if (library_check_abi(path, "app", app->abi, why, size) != 0)
        return CREW_EINVAL;
    if (app->size < APP_SIZE_MIN || app->service_size < SERVICE_SIZE_MIN ||
        app->protocol_size < PROTOCOL_SIZE_MIN || !app->services || app->service_count == 0 ||
        app->service_count > CONFIG_SERVICES_MAX)
        return fail(why, size, path,
                    "its descriptor is damaged or names no service: use CREW_APP() or "
                    "crew_app_init()");
    return 0;
}

static void read_service(const struct crew_app *app, size_t i,
                         struct crew_service *out_service) {
    const char *at = (const char *)app->services + i * app->service_size;
    sized_copy(out_service, sizeof(*out_service), at, app->service_size);
}

int app_check_service(const struct crew_service *service, char *out_why, size_t size) {
    const char *name = service->name ? service->name : "";
    if (!config_service_is_name(name)) {
        snprintf(out_why, size,
                 "found a service named \"%.64s\"; expected 1 to %d of a-z, 0-9, _ and -", name,
                 CONFIG_NAME_MAX);
        return CREW_EINVAL;
    }
    if (service->state_size > STATE_SIZE_MAX) {
        snprintf(out_why, size, "service \"%s\": its state_size is %zu, expected at most %zu",
                 name, service->state_size, STATE_SIZE_MAX);
        return CREW_EINVAL;
    }
    return 0;
}

static int check_services(const struct crew_app *app, const char *path, char *why,
                          size_t size) {
    for (size_t i = 0; i < app->service_count; i++) {
        struct crew_service service, other;
        char reason[256];
        read_service(app, i, &service);
        if (app_check_service(&service, reason, sizeof(reason)) != 0)
            return fail(why, size, path, reason);
        for (size_t j = 0; j < i; j++) {
            read_service(app, j, &other);
            if (strcmp(other.name, service.name) == 0) {
                snprintf(why, size, "%s: two services are named \"%s\"", path, service.name);
                return CREW_EINVAL;
            }
        }
    }
    return 0;
}

/* What the copy would not find, for it stands nowhere, comes first. */
static int load_companions(const struct app_source *source, char *why, size_t size) {
    struct elf_file file;
    if (copy_map(source->copy_fd, &file) != 0) {
        snprintf(why, size, "%s: its copy (descriptor %d) is no sealed file", source->path,
                 source->copy_fd);
        return CREW_EINVAL;
    }
    int err = origin_load(&file, source->path, why, size);
    copy_unmap(&file);
    return err;
}

static int load_object(const struct app_source *source, const struct crew_app **out_app,
                       char *why, size_t size) {
    int err = source->copy_fd < 0 ? 0 : load_companions(source, why, size);
    if (err)
        return err;
    *out_app = library_open(source->path, source->copy_fd, "crew_app", "CREW_APP", why, size);
    return *out_app ? 0 : CREW_EINVAL;
}

int app_load(const struct app_source *source, const struct crew_app **out_app, char *out_why,
             size_t size) {
    const struct crew_app *app = NULL;
    const char *path = source->path;
    int err = runtime_extension(path)
                  ? runtime_load(path, source->runtimes, &app, out_why, size)
                  : load_object(source, &app, out_why, size);
    if (!err)
        err = check_head(app, path, out_why, size);
    if (!err)
        err = check_services(app, path, out_why, size);
    if (err)
        return err;
    *out_app = app;
    return 0;
}

int app_service(const struct crew_app *app, const char *name, struct crew_service *out_service,
                struct crew_protocol *out_protocol) {
    for (size_t i = 0; i < app->service_count; i++) {
        struct crew_service service;
        read_service(app, i, &service);
        if (strcmp(service.name, name) == 0) {
            if (service.protocol) {
                sized_copy(out_protocol, sizeof(*out_protocol), service.protocol,
                           app->protocol_size);
                service.protocol = out_protocol;
            }
            *out_service = service;
            return 0;
        }
    }
    return CREW_ENOENT;
}

json_t *app_read_config(const struct crew_service *service, char *out_why, size_t size) {
    json_error_t error;
    json_t *config =
        json_loads(service->config ? service->config : "{}", JSON_REJECT_DUPLICATES, &error);
    if (json_is_object(config))
        return config;
    snprintf(out_why, size, "service \"%s\": config:%d:%d: %s", service->name,
             config ? 1 : error.line, config ? 1 : error.column,
             config ? "expected a JSON object" : error.text);
    json_decref(config);
    return NULL;
}

/* The texts of a service; JSON holds none that are no UTF-8. */
static int describe_texts(const struct crew_service *service, json_t *row, const char *path,
                          char *why, size_t size) {
    const struct {
        const char *key, *text;
    } texts[] = {{"name", service->name},     {"label", service->label},
                 {"listen", service->listen}, {"process", service->process},
                 {"user", service->user},     {"group", service->group}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *text = texts[i].text ? texts[i].text : "";
        if (json_object_set_new(row, texts[i].key, json_string(text)) == 0)
            continue;
        snprintf(why, size, "%s: service \"%s\": its %s is no UTF-8", path, service->name,
                 texts[i].key);
        return CREW_EINVAL;
    }
    return 0;
}

static json_t *describe_service(const struct crew_service *service, const char *path, char *why,
                                size_t size) {
    char reason[512];
    json_t *config = app_read_config(service, reason, sizeof(reason));
    if (!config) {
        fail(why, size, path, reason);
        return NULL;
    }
    json_t *row =
        json_pack("{s:I, s:o}", "workers", (json_int_t)service->workers, "config", config);
    if (service->reload == CREW_RELOAD_KEEP) /* the default is left for others to decide */
        json_object_set_new(row, "reloadable", json_false());
    if (describe_texts(service, row, path, why, size) == 0)
        return row;
    json_decref(row);
    return NULL;
}

json_t *app_describe(const struct crew_app *app, const char *path, char *out_why, size_t size) {
    json_t *services = json_array();
    for (size_t i = 0; i < app->service_count; i++) {
        struct crew_service service;
        read_service(app, i, &service);
        json_t *row = describe_service(&service, path, out_why, size);
        if (!row || json_array_append_new(services, row) != 0) {
            json_decref(services);
            return NULL;
        }
    }
    return json_pack("{s:i, s:i, s:s, s:o}", "v", 1, "abi", (int)CREW_ABI, "version",
                     CREW_VERSION, "services", services);
}
