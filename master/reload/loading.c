/* SPDX-License-Identifier: MIT
 *
 * See loading.h. The apps are asked one after the other: there is seldom more than one.
 */
#include "loading.h"

#include <stdbool.h>
#include <stdlib.h>

#include "describe.h"
#include "memory.h"

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
    loading->done->on_done(loading->owner, config, &loading->errors);
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

static void describe_next(struct loading *loading);

static void on_described(void *owner, json_t *description, const char *why) {
    struct loading *loading = owner;
    loading->describe = NULL;
    if (!description)
        add_error(loading, why);
    loading->descriptions[loading->next++] = description;
    describe_next(loading);
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
    loading->describe =
        describe_start(loading->spawner, loading->worker, loading->apps[loading->next],
                       loading->config, on_described, loading, why, sizeof(why));
    if (!loading->describe) {
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
