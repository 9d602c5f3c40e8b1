/* SPDX-License-Identifier: MIT
 *
 * See startup.h.
 */
#include "startup.h"

#include <stdlib.h>

#include "daemon.h"
#include "instance.h"
#include "loading.h"
#include "log.h"
#include "master.h"
#include "output.h"
#include "pool.h"
#include "say.h"
#include "supervisor.h"

/* Once it is decided a daemon's parent may go, and its terminal is given back. */
void startup_report(struct startup *startup, int exit_code) {
    if (report_is_awaited(&startup->report) && exit_code == EXIT_SUCCESS) {
        daemon_drop_input();
        output_leave_terminal(startup->instance);
    }
    report_tell(&startup->report, exit_code);
}

static bool is_ready(const struct pool *pool) {
    for (unsigned i = 0; i < pool->place_count; i++)
        if (pool->places[i]->slot.state != SLOT_READY)
            return false;
    return true;
}

void startup_child_ready(struct startup *startup) {
    struct instance *instance = startup->instance;
    struct list *node;
    if (instance->phase != INSTANCE_STARTING)
        return;
    list_each (node, &instance->pools)
        if (!is_ready(pool_of(node)))
            return;
    instance->phase = INSTANCE_RUNNING;
    if (startup->options->on_started)
        output_print(instance->out, startup->options->on_started, instance);
    log_notice("started: %s", instance->config->run_dir);
    instance_name_writers(instance);
    startup_report(startup, EXIT_SUCCESS);
}

static void fail(const struct startup *startup, const char *why) {
    startup->events->failed(startup->owner, why);
}

void startup_child_failed(struct startup *startup, const struct place *place) {
    char why[1024];
    if (startup->instance->phase != INSTANCE_STARTING)
        return;
    snprintf(why, sizeof(why), "%s did not start: %s", place->label,
             place->last_failure ? place->last_failure : "it died");
    fail(startup, why);
}

static void start_all(const struct instance *instance) {
    struct list *node;
    list_each (node, &instance->pools) {
        struct pool *pool = pool_of(node);
        for (unsigned i = 0; i < pool->place_count && instance->phase == INSTANCE_STARTING; i++)
            supervisor_tell(pool->places[i], SLOT_ON_START);
    }
}

static void on_set_up(void *owner, const char *why) {
    struct startup *startup = owner;
    char text[512];
    if (!why && startup->events->set_up(startup->owner, text, sizeof(text)) != 0)
        why = text;
    if (why)
        fail(startup, why);
    else
        start_all(startup->instance);
}

static void print_errors(FILE *out, const void *arg) {
    const struct config_errors *errors = arg;
    for (size_t i = 0; i < errors->count; i++)
        say_line(out, "%s", errors->lines[i]);
}

static void on_loaded(void *owner, struct config *config, const struct pins *pins,
                      const struct config_errors *errors) {
    struct startup *startup = owner;
    struct instance *instance = startup->instance;
    startup->loading = NULL;
    if (!config) {
        output_print(instance->err, print_errors, errors);
        fail(startup, NULL);
        return;
    }
    instance_take_config(instance, config);
    setup_start(&startup->setup, pins);
    for (size_t i = 0; instance->log && i < pins->note_count; i++)
        log_info("%s", pins->notes[i]);
}

void startup_begin(struct startup *startup) {
    static const struct loading_done done = {on_loaded};
    struct instance *instance = startup->instance;
    startup->loading = loading_start(&instance->spawner, &startup->options->source,
                                     &instance->programs.list[PROGRAM_WORKER], &done, startup);
}

void startup_cancel(struct startup *startup) {
    setup_cancel(&startup->setup);
    loading_cancel(startup->loading);
    startup->loading = NULL;
}

void startup_prepare(struct startup *startup, struct instance *instance,
                     const struct master_options *options) {
    *startup = (struct startup){
        .instance = instance, .options = options, .report.fd = options->report_fd};
}

int startup_init(struct startup *startup, const struct startup_events *events, void *owner,
                 char *out_why, size_t size) {
    startup->events = events;
    startup->owner = owner;
    setup_init(&startup->setup, startup->instance, on_set_up, startup);
    int err = report_open(&startup->report, &startup->instance->loop,
                          startup->options->report_fd, events->abandoned, owner);
    if (err)
        snprintf(out_why, size, "cannot report on the start: %s", uv_strerror(err));
    return err;
}
