/* SPDX-License-Identifier: MIT
 *
 * See instance.h.
 */
#include "instance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "config_writers.h"
#include "identity.h"
#include "log.h"
#include "memory.h"

#define NUMBER_MASK 0xffffffu

const char *instance_path(const struct instance *instance, const char *name) {
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", instance->config->run_dir, name);
    return path;
}

/* The names have been checked; one that is gone by now is not trusted. */
void instance_trust(const struct config *config, struct trust *out_trust) {
    trusted_init(out_trust);
    out_trust->names_groups = true;
    for (size_t i = 0; i < config->trusted_group_count; i++) {
        gid_t *gid = &out_trust->groups[out_trust->group_count];
        if (identity_find_group(config->trusted_groups[i], gid) == 0)
            out_trust->group_count++;
    }
}

void instance_take_config(struct instance *instance, struct config *config) {
    instance->config = config;
    if (config)
        instance_trust(config, &instance->trust);
}

void instance_name_writers(const struct instance *instance) {
    struct config_errors found = {0};
    config_writers_warn(instance->config, &found);
    for (size_t i = 0; i < found.count; i++)
        log_warning("%s", found.lines[i]);
    config_errors_done(&found);
}

/* Ids of an earlier instance must not come again: the numbers start at the time of day, and
 * grow. */
uint32_t instance_next_number(struct instance *instance) {
    instance->last_number = (instance->last_number + 1) & NUMBER_MASK;
    if (instance->last_number == 0)
        instance->last_number = 1;
    return instance->last_number;
}

static void on_turn(uv_prepare_t *handle) {
    struct instance *instance = handle->data;
    instance->turns++;
}

static void close_handle(uv_handle_t *handle, void *arg) {
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void close_loop(struct instance *instance) {
    uv_run(&instance->loop, UV_RUN_NOWAIT);
    uv_walk(&instance->loop, close_handle, NULL);
    uv_run(&instance->loop, UV_RUN_NOWAIT);
    (void)uv_loop_close(&instance->loop);
}

int instance_init(struct instance *instance, char *out_why, size_t size) {
    struct timespec now;
    *instance = (struct instance){.generation = 1, .run_dir = RUNDIR_CLOSED};
    /* First, for libuv aborts when it is the first to find no descriptor left. */
    int err = uv_loop_init(&instance->loop);
    if (!err)
        err = spawner_open(&instance->spawner, &instance->loop);
    if (err) {
        snprintf(out_why, size, "cannot make an event loop: %s", uv_strerror(err));
        return err;
    }
    err = programs_open(&instance->programs, out_why, size);
    if (err) {
        close_loop(instance);
        return err;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    instance->last_number = (uint32_t)now.tv_sec & NUMBER_MASK;
    instance->started_ms = uv_now(&instance->loop);
    list_init(&instance->pools);
    log_pipes_init(&instance->log_pipes, &instance->loop);
    uv_prepare_init(&instance->loop, &instance->turn);
    instance->turn.data = instance;
    uv_prepare_start(&instance->turn, on_turn);
    uv_unref((uv_handle_t *)&instance->turn);
    return 0;
}

void instance_done(struct instance *instance) {
    close_loop(instance);
    config_free(instance->config);
    programs_close(&instance->programs);
}
