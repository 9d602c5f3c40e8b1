/* SPDX-License-Identifier: MIT
 *
 * See loading.h. The apps are asked one after the other: there is seldom more than one.
 */
#include "loading.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "describe.h"
#include "memory.h"

#define LIBRARIES_MAX 64

struct loading {
    struct spawner *spawner;
    uv_timer_t later;             /* results are told from the loop */
    const struct program *worker; /* describes the apps */
    const struct loading_done *done;
    void *owner;
    struct config *config;
    struct config_errors errors;
    char **apps; /* absolute paths */
    size_t count, next;
    json_t **descriptions;
    struct describe *describe;
    struct pin *pin; /* of the app that is being described, or NULL */
    struct pins pins;
    bool is_cancelled;
};

static void on_closed(uv_handle_t *handle) {
    struct loading *loading = handle->data;
    for (size_t i = 0; i < loading->count; i++) {
        free(loading->apps[i]);
        json_decref(loading->descriptions[i]);
    }
    free(loading->apps);
    free(loading->descriptions);
    pin_unref(loading->pin);
    pins_done(&loading->pins);
    config_errors_done(&loading->errors);
    config_free(loading->config);
    free(loading);
}

static void on_finish(uv_timer_t *timer) {
    struct loading *loading = timer->data;
    struct config *config = loading->config;
    loading->config = NULL;
    if (loading->errors.count > 0) {
        config_free(config);
        config = NULL;
    }
    loading->done->on_done(loading->owner, config, &loading->pins, &loading->errors);
    uv_close((uv_handle_t *)&loading->later, on_closed);
}

static void finish(struct loading *loading) {
    uv_timer_start(&loading->later, on_finish, 0, 0);
}

static void add_error(struct loading *loading, const char *line) {
    struct config_errors *errors = &loading->errors;
    errors->lines = memory_resize(errors->lines, errors->count + 1, sizeof(char *));
    errors->lines[errors->count++] = memory_copy_text(line);
}

static void merge(struct loading *loading) {
    struct config_app *apps = memory_new((loading->count + 1) * sizeof(*apps));
    for (size_t i = 0; i < loading->count; i++)
        apps[i] = (struct config_app){loading->apps[i], loading->descriptions[i]};
    (void)config_merge(loading->config, apps, loading->count, &loading->errors);
    free(apps);
    finish(loading);
}

/* Whatever the app's process says is taken for no more than text. */
static void take_build_id(struct pin *pin, const json_t *description) {
    const char *text = json_string_value(json_object_get(description, "build_id"));
    size_t len = text ? strspn(text, "0123456789abcdef") : 0;
    if (len > 0 && len <= PIN_BUILD_ID_MAX && !text[len])
        memcpy(pin->build_id, text, len + 1);
}

static void note_libraries(struct loading *loading, const json_t *description) {
    const json_t *list = json_object_get(description, "libraries");
    for (size_t i = 0; i < json_array_size(list) && i < LIBRARIES_MAX; i++) {
        const char *path = json_string_value(json_array_get(list, i));
        if (path && strlen(path) < PATH_MAX)
            pins_note(&loading->pins,
                      memory_format("%s is loaded by its path and not pinned; replace it by "
                                    "mv, not in place",
                                    path));
    }
}

/* What the describe child has made of the empty file that it was given. */
static void take_pin(struct loading *loading, const json_t *description) {
    struct pin *pin = loading->pin;
    char why[512];
    loading->pin = NULL;
    if (!json_is_true(json_object_get(description, "pinned"))) {
        pins_note(&loading->pins,
                  memory_format("%s: what a runtime runs is not pinned", pin->path));
        pin_unref(pin);
        return;
    }
    pins_add(&loading->pins, pin);
    take_build_id(pin, description);
    note_libraries(loading, description);
    if (pin_seal(pin, why, sizeof(why)) != 0)
        add_error(loading, why);
}

static void describe_next(struct loading *loading);

static void on_described(void *owner, json_t *description, const char *why) {
    struct loading *loading = owner;
    loading->describe = NULL;
    if (!description)
        add_error(loading, why);
    else if (loading->pin)
        take_pin(loading, description);
    pin_unref(loading->pin);
    loading->pin = NULL;
    loading->descriptions[loading->next++] = description;
    describe_next(loading);
}

static int begin_describe(struct loading *loading, char *why, size_t size) {
    const char *app = loading->apps[loading->next];
    int err = loading->config->pin ? pin_new(app, &loading->pin) : 0;
    if (err) {
        snprintf(why, size, "%s: cannot be pinned: %s", app, strerror(-err));
        return err;
    }
    loading->describe = describe_start(loading->spawner, loading->worker, app,
                                       loading->pin ? loading->pin->fd : -1, loading->config,
                                       on_described, loading, why, size);
    return loading->describe ? 0 : -1;
}

static void describe_next(struct loading *loading) {
    char why[512];
    if (loading->next == loading->count) {
        if (loading->errors.count > 0)
            finish(loading);
        else
            merge(loading);
        return;
    }
    if (begin_describe(loading, why, sizeof(why)) != 0) {
        add_error(loading, why);
        finish(loading);
    }
}

/* Those on the command line, and those in the file. */
static void gather_apps(struct loading *loading, const struct loading_source *source) {
    size_t count = source->app_count + loading->config->app_count;
    loading->apps = memory_new((count + 1) * sizeof(char *));
    loading->descriptions = memory_new((count + 1) * sizeof(json_t *));
    for (size_t i = 0; i < source->app_count; i++)
        loading->apps[loading->count++] = memory_copy_text(source->apps[i]);
    for (size_t i = 0; i < loading->config->app_count; i++)
        loading->apps[loading->count++] = memory_copy_text(loading->config->apps[i]);
    if (loading->count == 0 && !config_has_builtin(loading->config))
        add_error(
            loading,
            "no app: name one on the command line, or as \"app\" at the top level of a config "
            "file; a service that only serves files needs none with \"kind\": \"static\"");
}

struct loading *loading_start(struct spawner *spawner, const struct loading_source *source,
                              const struct program *worker, const struct loading_done *done,
                              void *owner) {
    struct loading *loading = memory_new(sizeof(*loading));
    loading->spawner = spawner;
    loading->worker = worker;
    loading->done = done;
    loading->owner = owner;
    uv_timer_init(spawner->loop, &loading->later);
    loading->later.data = loading;
    if (config_read(source->config_path, source->run_dir, &loading->config, &loading->errors) ==
        0)
        gather_apps(loading, source);
    if (loading->errors.count > 0)
        finish(loading);
    else
        describe_next(loading);
    return loading;
}

void loading_cancel(struct loading *loading) {
    if (!loading)
        return;
    if (loading->describe)
        describe_cancel(loading->describe);
    uv_close((uv_handle_t *)&loading->later, on_closed);
}
