/* SPDX-License-Identifier: MIT
 *
 * Step two of a configuration: the services that the apps declare, under the blocks of the
 * file. What an app says is checked like a file, but its errors have no line.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config_check.h"
#include "config_file.h"
#include "config_kind.h"
#include "config_memory.h"
#include "config_process.h"
#include "config_service.h"
#include "config_user.h"
#include "config_value.h"
#include "machine.h"
#include "memory.h"
#include "nearest.h"

/* A service as one app declares it. */
struct declaration {
    const char *name;     /* borrowed from the description */
    const json_t *config; /* its "config", or NULL; borrowed */
    json_t *descriptor;   /* its listen and workers as a block; owned */
    const struct config_app *app;
    struct config_source source;
};

struct merge {
    const struct config *config;
    struct config_source file;
    struct declaration *declarations;
    size_t count;
    struct config_draft *drafts;
    size_t draft_count;
    struct config_errors errors;
};

static bool says_nothing(const char *key, const json_t *value) {
    if (!value || json_is_null(value))
        return true;
    if (strcmp(key, "workers") == 0) /* 0 is "auto" there */
        return json_is_integer(value) && json_integer_value(value) == 0;
    return strcmp(key, "listen") != 0 && json_is_string(value) &&
           json_string_length(value) == 0;
}

/* What is left out in the descriptor is left out here. */
static json_t *descriptor_block(const json_t *service) {
    static const char *const keys[] = {"label", "listen", "process",   "workers",
                                       "user",  "group",  "reloadable"};
    json_t *block = memory_expect(json_object());
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        json_t *value = json_object_get(service, keys[i]);
        if (!says_nothing(keys[i], value))
            json_object_set(block, keys[i], value);
    }
    return block;
}

static void check_declaration(struct merge *merge, const struct declaration *declaration) {
    struct config_check check = {.scope = CONFIG_OF_SERVICE,
                                 .source = &declaration->source,
                                 .base = config_service_path(declaration->name),
                                 .is_declared = true,
                                 .errors = &merge->errors};
    config_check_block(&check, declaration->descriptor);
    config_user_check_declared(&declaration->source, declaration->name, declaration->descriptor,
                               &merge->errors);
    if (!declaration->config)
        return;
    config_check_block(&check, declaration->config);
    config_user_check_declared(&declaration->source, declaration->name, declaration->config,
                               &merge->errors);
}

static void add_declaration(struct merge *merge, const struct config_app *app,
                            const json_t *service) {
    const char *name = json_string_value(json_object_get(service, "name"));
    const json_t *config = json_object_get(service, "config");
    if (!name || !config_service_is_name(name)) {
        config_report_line(&merge->errors,
                           "%s: found a service named \"%.64s\"; expected 1 to %d of a-z, 0-9, "
                           "\"_\" and \"-\"",
                           app->path, name ? name : "", CONFIG_NAME_MAX);
        return;
    }
    if (config && !json_is_null(config) && !json_is_object(config)) {
        config_report_line(&merge->errors,
                           "%s: services.%s: found a config that is no block; expected { }",
                           app->path, name);
        return;
    }
    merge->declarations =
        memory_resize(merge->declarations, merge->count + 1, sizeof(*merge->declarations));
    struct declaration *declaration = &merge->declarations[merge->count++];
    *declaration = (struct declaration){.name = name,
                                        .config = json_is_object(config) ? config : NULL,
                                        .descriptor = descriptor_block(service),
                                        .app = app,
                                        .source = {.name = app->path}};
    check_declaration(merge, declaration);
}

static void read_app(struct merge *merge, const struct config_app *app) {
    const json_t *services = json_object_get(app->description, "services");
    size_t i;
    json_t *service;
    if (!json_is_array(services) || json_array_size(services) == 0) {
        config_report_line(&merge->errors, "%s: found no services; expected at least one",
                           app->path);
        return;
    }
    if (json_array_size(services) > CONFIG_SERVICES_MAX) {
        config_report_line(&merge->errors, "%s: found %zu services; expected at most %d",
                           app->path, json_array_size(services), CONFIG_SERVICES_MAX);
        return;
    }
    json_array_foreach(services, i, service) add_declaration(merge, app, service);
}

static bool is_same_file(const char *a, const char *b) {
    struct stat a_st, b_st;
    if (strcmp(a, b) == 0)
        return true;
    return stat(a, &a_st) == 0 && stat(b, &b_st) == 0 && a_st.st_dev == b_st.st_dev &&
           a_st.st_ino == b_st.st_ino;
}

static const json_t *file_block(const struct merge *merge, const char *name) {
    return json_object_get(config_file_services(merge->config), name);
}

/* The app that the file chooses for a service (the caller frees it), or NULL. */
static char *chosen_app(const struct merge *merge, const char *name) {
    const char *app = json_string_value(json_object_get(file_block(merge, name), "app"));
    return app && *app ? config_value_absolute(app, merge->file.folder) : NULL;
}

/* Is this the declaration that runs? Of several that may be, the first is; config_merge() has
 * complained about the others. */
static bool is_chosen(const struct merge *merge, const struct declaration *declaration) {
    char *app = chosen_app(merge, declaration->name);
    bool chosen = !app || is_same_file(app, declaration->app->path);
    free(app);
    return chosen;
}

static void refuse_twice(struct merge *merge, const struct declaration *first,
                         const struct declaration *second) {
    struct config_path path = config_service_path(first->name);
    const struct config_source *source =
        file_block(merge, first->name) ? &merge->file : &second->source;
    if (first->app == second->app)
        config_report_line(&merge->errors,
                           "%s: services.%s: found it declared twice; expected once",
                           first->app->path, first->name);
    else
        config_report_at_key(
            &merge->errors, source, &path,
            "found it declared by %s and %s; expected the config to choose one "
            "with services.%s.app",
            first->app->path, second->app->path, first->name);
}

static void add_draft(struct merge *merge, const char *name,
                      const struct declaration *declaration) {
    struct config_draft *draft;
    merge->drafts =
        memory_resize(merge->drafts, merge->draft_count + 1, sizeof(*merge->drafts));
    draft = &merge->drafts[merge->draft_count++];
    *draft = (struct config_draft){
        .layers = {[LAYER_FILE] = {&merge->file, file_block(merge, name)},
                   [LAYER_APP] = {&declaration->source, declaration->config},
                   [LAYER_DESCRIPTOR] = {&declaration->source, declaration->descriptor}},
        .is_complete = true};
    config_service_build(draft, name);
    if (declaration->app)
        config_service_set_app(draft, declaration->app->path);
    config_user_resolve(draft, merge->config, &merge->errors);
    config_service_check(draft, &merge->errors);
    config_kind_check(draft, &merge->errors);
}

/* Of a kind that no app serves. */
static void add_builtin(struct merge *merge, const char *name, const json_t *block) {
    struct config_path path = config_service_path(name);
    path.parts[path.depth++] = "kind";
    for (size_t i = 0; i < merge->count; i++)
        if (strcmp(merge->declarations[i].name, name) == 0)
            config_report_at_value(
                &merge->errors, &merge->file, &path,
                "found \"%s\"; expected \"app\", as %s declares a service of "
                "this name",
                json_string_value(json_object_get(block, "kind")),
                merge->declarations[i].app->path);
    add_draft(merge, name, &(struct declaration){0});
}

static void add_builtins(struct merge *merge) {
    const char *name;
    json_t *block;
    json_object_foreach((json_t *)(uintptr_t)config_file_services(merge->config), name,
                        block) if (config_kind_is_builtin(block))
        add_builtin(merge, name, block);
}

static void choose(struct merge *merge) {
    for (size_t i = 0; i < merge->count; i++) {
        const struct declaration *declaration = &merge->declarations[i];
        const struct declaration *first = NULL;
        if (!is_chosen(merge, declaration) ||
            config_kind_is_builtin(file_block(merge, declaration->name)))
            continue;
        for (size_t j = 0; j < i && !first; j++)
            if (strcmp(merge->declarations[j].name, declaration->name) == 0 &&
                is_chosen(merge, &merge->declarations[j]))
                first = &merge->declarations[j];
        if (first)
            refuse_twice(merge, first, declaration);
        else
            add_draft(merge, declaration->name, declaration);
    }
}

/* The services that the apps declare, as a list to read. */
static void list_declared(const struct merge *merge, char *out_text, size_t size) {
    size_t used = 0;
    *out_text = '\0';
    for (size_t i = 0; i < merge->count && used < size; i++) {
        int n = snprintf(out_text + used, size - used, "%s\"%s\"", i ? ", " : "",
                         merge->declarations[i].name);
        used += n > 0 ? (size_t)n : 0;
    }
}

static void refuse_unknown(struct merge *merge, const char *name) {
    struct config_path path = config_service_path(name);
    struct nearest nearest;
    char advice[320], known[256];
    nearest_init(&nearest, name);
    for (size_t i = 0; i < merge->count; i++)
        nearest_offer(&nearest, merge->declarations[i].name);
    list_declared(merge, known, sizeof(known));
    if (nearest.best)
        snprintf(advice, sizeof(advice), "did you mean \"%s\"?", nearest.best);
    else if (merge->count > 0)
        snprintf(advice, sizeof(advice), "expected one of %s.", known);
    else
        snprintf(advice, sizeof(advice), "expected the path of its app in \"app\".");
    config_report_at_key(&merge->errors, &merge->file, &path,
                         "found a service that no app declares; %s A folder of files needs no "
                         "app: add \"kind\": \"static\"",
                         advice);
}

static void refuse_choice(struct merge *merge, const char *name) {
    struct config_path path = config_service_path(name);
    char shown[CONFIG_SHOWN_MAX];
    path.parts[path.depth++] = "app";
    config_report_show(json_object_get(file_block(merge, name), "app"), shown);
    config_report_at_value(&merge->errors, &merge->file, &path,
                           "found %s; expected the path of an app that declares this service",
                           shown);
}

/* Every service in the file must have become a draft. Where apps are missing or not readable,
 * that has been said, and their services are not known. */
static void check_names(struct merge *merge, size_t app_count) {
    bool is_known = merge->count > 0 || (app_count == 0 && config_has_builtin(merge->config));
    const char *name;
    json_t *block;
    json_object_foreach((json_t *)(uintptr_t)config_file_services(merge->config), name, block) {
        bool is_declared = false, is_running = false;
        for (size_t i = 0; i < merge->count; i++)
            is_declared = is_declared || strcmp(merge->declarations[i].name, name) == 0;
        for (size_t i = 0; i < merge->draft_count; i++)
            is_running = is_running || strcmp(merge->drafts[i].service.name, name) == 0;
        if (!is_declared && !is_running && is_known)
            refuse_unknown(merge, name);
        else if (is_declared && !is_running)
            refuse_choice(merge, name);
    }
}

static void collect(struct merge *merge, const struct config_app *apps, size_t count) {
    struct config_path path = {.parts = {"app"}, .depth = 1, .index = -1};
    if (count == 0 && !config_has_builtin(merge->config))
        config_report_at_value(&merge->errors, &merge->file, &path,
                               "found nothing; expected the path of an app, or a service "
                               "with \"kind\": \"static\"");
    for (size_t i = 0; i < count; i++)
        read_app(merge, &apps[i]);
    choose(merge);
    add_builtins(merge);
    check_names(merge, count);
    config_process_settle(merge->drafts, merge->draft_count, merge->config, &merge->errors);
    config_memory_settle(merge->drafts, merge->draft_count, machine_memory(""));
    config_service_check_all(merge->drafts, merge->draft_count, &merge->errors);
    if (merge->draft_count > CONFIG_SERVICES_MAX)
        config_report_line(&merge->errors,
                           "found %zu services in all apps; expected at most %d",
                           merge->draft_count, CONFIG_SERVICES_MAX);
}

/* The drafts become the services. */
static void commit(struct merge *merge, struct config *config, const struct config_app *apps,
                   size_t count) {
    char **paths = memory_new(count * sizeof(*paths));
    for (size_t i = 0; i < count; i++)
        paths[i] = memory_copy_text(apps[i].path);
    for (size_t i = 0; i < config->app_count; i++)
        free(config->apps[i]);
    free(config->apps);
    config->apps = paths;
    config->app_count = count;
    for (size_t i = 0; i < config->service_count; i++)
        config_service_done(&config->services[i]);
    free(config->services);
    config->services = memory_new(merge->draft_count * sizeof(*config->services));
    for (size_t i = 0; i < merge->draft_count; i++)
        config->services[i] = merge->drafts[i].service;
    config->service_count = merge->draft_count;
    merge->draft_count = 0;
}

int config_merge(struct config *config, const struct config_app *apps, size_t count,
                 struct config_errors *out_errors) {
    struct merge merge = {.config = config, .file = config_file_source(config)};
    int rc = 0;
    collect(&merge, apps, count);
    if (merge.errors.count == 0) {
        commit(&merge, config, apps, count);
    } else {
        *out_errors = merge.errors;
        rc = -EINVAL;
    }
    for (size_t i = 0; i < merge.draft_count; i++)
        config_service_done(&merge.drafts[i].service);
    for (size_t i = 0; i < merge.count; i++)
        json_decref(merge.declarations[i].descriptor);
    free(merge.drafts);
    free(merge.declarations);
    return rc;
}
