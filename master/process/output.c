/* SPDX-License-Identifier: MIT
 *
 * See output.h.
 */
#include "output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "instance.h"
#include "log.h"
#include "outlet.h"

#define OPEN_MS  5000u
#define FLUSH_MS 1000u

static int put(void *owner, const char *line, size_t len) {
    return outlet_put(owner, line, len);
}

int output_open(struct instance *instance) {
    instance->out = outlet_open(STDOUT_FILENO, false);
    instance->err = outlet_open(STDERR_FILENO, !instance->is_daemon);
    if (!instance->out || !instance->err)
        return -EAGAIN;
    log_to(put, instance->err, CREW_LOG_NOTICE, "crewman");
    return 0;
}

const char *output_log_path(const struct instance *instance) {
    const char *path = instance->config->log_file;
    if (path[0])
        return path;
    return instance->is_daemon ? instance_path(instance, "crewman.log") : NULL;
}

int output_switch_log(const struct instance *instance, struct outlet *outlet,
                      const char *path) {
    return outlet_switch(outlet, &instance->trust, path);
}

static int open_file(const struct instance *instance, struct outlet *outlet, const char *path,
                     char *why, size_t size) {
    int err = output_switch_log(instance, outlet, path);
    if (!err && !outlet_await_switch(outlet, OPEN_MS, &err, why, size)) {
        snprintf(why, size, "log %s: cannot be opened within %u s: does a file system hang?",
                 path, OPEN_MS / 1000);
        err = -ETIMEDOUT;
    }
    return err;
}

static struct outlet *open_log(const struct instance *instance, char *why, size_t size) {
    const char *path = output_log_path(instance);
    if (!path)
        return instance->err;
    struct outlet *outlet = outlet_open(-1, true);
    if (!outlet)
        snprintf(why, size, "log %s: no thread can be started", path);
    if (outlet && open_file(instance, outlet, path, why, size) != 0) {
        outlet_close(outlet, FLUSH_MS);
        return NULL;
    }
    return outlet;
}

int output_open_log(struct instance *instance, char *out_why, size_t size) {
    instance->log = open_log(instance, out_why, size);
    if (!instance->log)
        return -1;
    log_to(put, instance->log, (enum crew_log_level)instance->config->log_level, "master");
    return 0;
}

void output_print(struct outlet *outlet, void (*print)(FILE *out, const void *arg),
                  const void *arg) {
    char *text = NULL;
    size_t len = 0;
    FILE *out = outlet ? open_memstream(&text, &len) : NULL;
    if (!out)
        return;
    print(out, arg);
    fclose(out);
    (void)outlet_put(outlet, text, len);
    free(text);
}

static uint64_t now_ms(void) {
    return uv_hrtime() / 1000000u;
}

/* The time is for all of them. */
static void flush_all(struct outlet *const *all, size_t count) {
    uint64_t now = now_ms(), until = now + FLUSH_MS;
    for (size_t i = 0; i < count; i++, now = now_ms())
        if (all[i])
            (void)outlet_flush(all[i], now < until ? (unsigned)(until - now) : 0);
}

/* One that could not be flushed is stuck: there is nothing to wait for. */
static void close_one(struct outlet **outlet) {
    if (*outlet)
        outlet_close(*outlet, outlet_flush(*outlet, 0) ? FLUSH_MS : 0);
    *outlet = NULL;
}

void output_leave_terminal(struct instance *instance) {
    flush_all((struct outlet *const[]){instance->out, instance->err}, 2);
    close_one(&instance->out);
    close_one(&instance->err);
    outlet_become_standard(instance->log);
}

void output_flush(const struct instance *instance) {
    struct outlet *log = instance->log == instance->err ? NULL : instance->log;
    flush_all((struct outlet *const[]){log, instance->out, instance->err}, 3);
}

void output_close(struct instance *instance) {
    log_setup(STDERR_FILENO, CREW_LOG_ERROR, "crewman");
    if (instance->log == instance->err)
        instance->log = NULL;
    close_one(&instance->log);
    close_one(&instance->out);
    close_one(&instance->err);
}
