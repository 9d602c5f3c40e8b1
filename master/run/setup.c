/* SPDX-License-Identifier: MIT
 *
 * See setup.h.
 */
#include "setup.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "holder.h"
#include "identity.h"
#include "instance.h"
#include "kind_worker.h"
#include "output.h"
#include "pool.h"
#include "process.h"

#define ORPHANS_MS      3000u
#define ORPHANS_STEP_MS 50u

static int refuse_beside(const struct rundir *run_dir, pid_t other, char *why, size_t size) {
    if (other > 0 && process_is_stopped(other))
        snprintf(why, size,
                 "already running, pid %d, which is stopped: kill -CONT %d continues it (%s)",
                 (int)other, (int)other, run_dir->path);
    else if (other > 0)
        snprintf(why, size, "already running, pid %d (%s)", (int)other, run_dir->path);
    else
        snprintf(why, size, "already running (somebody answers in %s)", run_dir->path);
    return -EWOULDBLOCK;
}

/* Nothing is touched before it is known that nobody runs here: also when somebody has removed
 * the pid file of an instance that does. *out_follows_crash: one before this one died without a
 * word. */
static int take_run_dir(struct instance *instance, bool *out_follows_crash, char *why,
                        size_t size) {
    const struct trust *trust = &instance->trust;
    struct rundir *run_dir = &instance->run_dir;
    int err = rundir_open(run_dir, trust, instance->config->run_dir, why, size);
    if (err)
        return err;
    pid_t other = rundir_find_other(run_dir), before = 0;
    if (other == 0)
        err = rundir_lock(run_dir, trust, &before, why, size);
    if (other != 0 || err == -EWOULDBLOCK)
        return refuse_beside(run_dir, other != 0 ? other : before, why, size);
    *out_follows_crash = before != 0;
    return err;
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
    if (take_run_dir(instance, &follows_crash, out_why, size) != 0)
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
