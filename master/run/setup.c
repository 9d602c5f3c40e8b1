/* SPDX-License-Identifier: MIT
 *
 * See setup.h.
 */
#include "setup.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "holder.h"
#include "identity.h"
#include "instance.h"
#include "kind_worker.h"
#include "output.h"
#include "pidfile.h"
#include "pool.h"
#include "process.h"

#define ORPHANS_MS      3000u
#define ORPHANS_STEP_MS 50u

/* The default of other users is in /tmp, where anybody could have made it before us. */
static int make_run_dir(const struct config *config, char *why, size_t size) {
    struct stat folder;
    if (mkdir(config->run_dir, 0755) == 0)
        return 0;
    if (errno != EEXIST || stat(config->run_dir, &folder) != 0) {
        snprintf(why, size, "run_dir %s: %s", config->run_dir, strerror(errno));
        return -1;
    }
    if (!S_ISDIR(folder.st_mode)) {
        snprintf(why, size, "run_dir %s: not a folder", config->run_dir);
        return -1;
    }
    if (geteuid() != 0 && folder.st_uid != 0 && folder.st_uid != geteuid()) {
        snprintf(why, size, "run_dir %s: belongs to another user", config->run_dir);
        return -1;
    }
    return 0;
}

/* *out_follows_crash: an instance before this one died without a word. */
static int take_pidfile(struct instance *instance, bool *out_follows_crash, char *why,
                        size_t size) {
    pid_t other = 0;
    const char *path = instance_path(instance, "crewman.pid");
    int fd = pidfile_take(path, &other);
    if (fd >= 0) {
        instance->pid_fd = fd;
        *out_follows_crash = other != 0;
        return 0;
    }
    if (fd == -EWOULDBLOCK && process_is_stopped(other))
        snprintf(why, size,
                 "already running, pid %d, which is stopped: kill -CONT %d continues it (%s)",
                 (int)other, (int)other, path);
    else if (fd == -EWOULDBLOCK)
        snprintf(why, size, "already running, pid %d (%s)", (int)other, path);
    else
        snprintf(why, size, "%s: %s", path, strerror(-fd));
    return -1;
}

static int check_user(const char *user, const char *group, char *why, size_t size) {
    struct identity identity;
    if (identity_find(user, group, &identity, why, size) != 0)
        return -1;
    if (!identity.is_set || geteuid() == 0 || identity.account.uid == geteuid())
        return 0;
    snprintf(why, size, "user \"%s\": only root can start workers as another user", user);
    return -1;
}

/* Before an address is bound: a name that is wrong must not leave half an instance. */
static int make_pools(struct instance *instance, const struct pins *pins, char *why,
                      size_t size) {
    const struct config *config = instance->config;
    if (check_user(config->user, config->group, why, size) != 0)
        return -1;
    for (size_t i = 0; i < config->service_count; i++) {
        const struct config_service *service = &config->services[i];
        if (check_user(service->user, service->group, why, size) != 0)
            return -1;
        struct pool *pool = pool_find(instance, service);
        if (!pool)
            pool = pool_new(instance, kind_worker(), service);
        if (service->app[0] && !pool->pin)
            pool->pin = pin_ref(pins_find(pins, service->app));
    }
    return 0;
}

/* -EAGAIN: not yet. The workers of a master that was killed close their listeners as soon as
 * they notice. */
static int bind_next(struct setup *setup, char *why, size_t size) {
    struct instance *instance = setup->instance;
    const struct config_service *config = &instance->config->services[setup->next];
    struct sockets *sockets = NULL;
    int err = sockets_open(config, &sockets, why, size);
    if (err == -EADDRINUSE && setup->tries > 0) {
        setup->tries--;
        return -EAGAIN;
    }
    if (err == -EADDRINUSE)
        (void)holder_explain(&config->listen, config->listen_text, why, size);
    if (err)
        return err;
    pool_add(pool_find(instance, config), config, sockets);
    setup->next++;
    return 0;
}

static void bind_all(uv_timer_t *timer) {
    struct setup *setup = timer->data;
    char why[1024];
    int err = 0;
    while (!err && setup->next < setup->instance->config->service_count)
        err = bind_next(setup, why, sizeof(why));
    if (err == -EAGAIN)
        uv_timer_start(timer, bind_all, ORPHANS_STEP_MS, 0);
    else
        setup->done(setup->owner, err ? why : NULL);
}

void setup_init(struct setup *setup, struct instance *instance,
                void (*done)(void *owner, const char *why), void *owner) {
    *setup = (struct setup){.instance = instance, .done = done, .owner = owner};
    uv_timer_init(&instance->loop, &setup->again);
    setup->again.data = setup;
}

static int prepare(struct setup *setup, const struct pins *pins, char *out_why, size_t size) {
    struct instance *instance = setup->instance;
    bool follows_crash = false;
    if (make_run_dir(instance->config, out_why, size) != 0 ||
        take_pidfile(instance, &follows_crash, out_why, size) != 0)
        return -1;
    if (output_open_log(instance, out_why, size) != 0)
        return -1;
    setup->tries = follows_crash ? ORPHANS_MS / ORPHANS_STEP_MS : 0;
    return make_pools(instance, pins, out_why, size);
}

void setup_start(struct setup *setup, const struct pins *pins) {
    char why[1024];
    if (prepare(setup, pins, why, sizeof(why)) != 0)
        setup->done(setup->owner, why);
    else
        bind_all(&setup->again);
}

void setup_cancel(struct setup *setup) {
    uv_timer_stop(&setup->again);
}
