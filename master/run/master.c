/* SPDX-License-Identifier: MIT
 *
 * See master.h.
 */
#include "master.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin.h"
#include "child.h"
#include "heal.h"
#include "instance.h"
#include "log.h"
#include "output.h"
#include "pool.h"
#include "process.h"
#include "reloads.h"
#include "relog.h"
#include "say.h"
#include "signals.h"
#include "startup.h"
#include "supervisor.h"
#include "terminal.h"
#include "upkeep.h"

#define WATCH_MS     1000u
#define SIGNAL_COUNT 6

struct master {
    struct instance instance;
    struct admin admin;
    struct reloads reloads;
    struct relog relog;
    struct startup startup;
    uv_signal_t signals[SIGNAL_COUNT];
    uv_timer_t watch; /* once a second */
    uint64_t watched_ms;
    struct terminal terminal; /* in the foreground */
    int exit_code;
};

static void print_why(FILE *out, const void *arg) {
    say_line(out, "crewman: %s", (const char *)arg);
}

static int say(const struct master *master, const char *text) {
    output_print(master->instance.err, print_why, text);
    return EXIT_FAILURE;
}

static void stop(void *owner, bool is_graceful);

static void on_start_failed(void *owner, const char *why) {
    struct master *master = owner;
    master->exit_code = EXIT_FAILURE;
    if (why)
        say(master, why);
    stop(master, false);
}

static void on_became_ready(void *owner) {
    struct master *master = owner;
    startup_child_ready(&master->startup);
}

static void on_not_started(void *owner, const struct place *place) {
    struct master *master = owner;
    startup_child_failed(&master->startup, place);
}

static void check_stopped(void *owner) {
    struct master *master = owner;
    struct list *node;
    if (master->instance.phase != INSTANCE_STOPPING)
        return;
    list_each (node, &master->instance.pools)
        if (!list_is_empty(&pool_of(node)->children))
            return;
    uv_stop(&master->instance.loop);
}

static void on_replaced(void *owner, struct place *place) {
    struct master *master = owner;
    reloads_place_ready(&master->reloads, place);
    heal_place_ready(place);
}

static void on_not_replaced(void *owner, struct place *place) {
    struct master *master = owner;
    reloads_place_failed(&master->reloads, place);
}

static const struct supervisor_events supervisor_events = {
    on_replaced, on_not_replaced, on_not_started, on_became_ready, check_stopped};

/* What is done with each child of the instance. */
typedef void (*child_visit)(struct child *child, void *arg);

static void each_child(struct master *master, child_visit visit, void *arg) {
    struct list *node, *inner;
    list_each (node, &master->instance.pools) {
        struct pool *pool = pool_of(node);
        list_each (inner, &pool->children)
            visit(child_of(inner), arg);
    }
}

static void hurry(struct child *child, void *arg) {
    (void)arg;
    supervisor_drain_child(child);
}

static void retire_all(struct master *master) {
    struct list *node;
    rivals_end(&master->instance);
    list_each (node, &master->instance.pools) {
        struct pool *pool = pool_of(node);
        pool_stop_listening(pool);
        for (unsigned i = 0; i < pool->place_count; i++)
            supervisor_tell(pool->places[i], SLOT_ON_RETIRE);
    }
}

static void stop(void *owner, bool is_graceful) {
    struct master *master = owner;
    struct instance *instance = &master->instance;
    bool is_first = instance->phase != INSTANCE_STOPPING;
    if (!is_first && (is_graceful || !instance->stops_gracefully))
        return;
    if (instance->phase == INSTANCE_STARTING && master->exit_code == EXIT_SUCCESS)
        master->exit_code = say(master, "stopped before every worker was ready");
    instance->phase = INSTANCE_STOPPING;
    instance->stops_gracefully = is_graceful;
    if (is_first) {
        if (instance->log)
            log_notice("stopping%s", is_graceful ? " gracefully" : "");
        startup_cancel(&master->startup);
        reloads_abandon(&master->reloads);
        retire_all(master);
    }
    each_child(master, hurry, NULL);
    check_stopped(master);
}

static const char *reload_for(void *owner, bool is_graceful, struct admin_client *client) {
    struct master *master = owner;
    return reloads_for_client(&master->reloads, is_graceful, client);
}

static const char *reopen_logs(void *owner, struct admin_client *client) {
    struct master *master = owner;
    return relog_for_client(&master->relog, client);
}

static void forget_client(void *owner, const struct admin_client *client) {
    struct master *master = owner;
    reloads_forget_client(&master->reloads, client);
    relog_forget_client(&master->relog, client);
}

/* The command that waits for the start has been killed: what it says of it must stay true. */
static void on_abandoned(void *owner) {
    log_notice("the command that has started this instance is gone");
    stop(owner, false);
}

static const struct admin_verbs admin_verbs = {stop, reload_for, reopen_logs, forget_client};

/* Answers whether there is nothing else to do. */
static bool heed_terminal(struct master *master, enum terminal_news news) {
    if (news == TERMINAL_GONE) {
        log_notice("the terminal is gone: stopping");
        stop(master, false);
    } else if (news == TERMINAL_OUTLIVED) {
        log_notice("the terminal is gone; the instance goes on, as it was started by nohup");
    }
    return news != TERMINAL_STAYS;
}

static void on_signal(uv_signal_t *handle, int number) {
    struct master *master = handle->data;
    log_notice("%s", process_signal_name(number));
    if (number == SIGTERM || number == SIGINT)
        stop(master, false);
    else if (number == SIGQUIT)
        stop(master, true);
    else if (number != SIGHUP || !heed_terminal(master, terminal_hear(&master->terminal)))
        reloads_by_signal(&master->reloads, number == SIGUSR2);
}

/* Those that came before are answered now. */
static void watch_signals(struct master *master) {
    static const int numbers[SIGNAL_COUNT] = {SIGTERM, SIGINT,  SIGQUIT,
                                              SIGHUP,  SIGUSR1, SIGUSR2};
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        uv_signal_init(&master->instance.loop, &master->signals[i]);
        master->signals[i].data = master;
        uv_signal_start(&master->signals[i], on_signal, numbers[i]);
    }
    signals_release();
}

/* When we were stopped, or the machine gave us no time, the beats of meanwhile wait in the
 * pipes: the silence is ours. */
static uint64_t take_pause(struct master *master) {
    uint64_t now = uv_now(&master->instance.loop);
    uint64_t passed = now - master->watched_ms;
    master->watched_ms = now;
    return passed > 2 * WATCH_MS ? passed - WATCH_MS : 0;
}

static void watch_child(struct child *child, void *arg) {
    const uint64_t *times = arg;
    child_watch(child, times[0], times[1]);
}

static void on_watch(uv_timer_t *timer) {
    struct master *master = timer->data;
    uint64_t paused_ms = take_pause(master);
    rivals_look(&master->instance);
    heal_look(&master->instance);
    (void)heed_terminal(master, terminal_look(&master->terminal));
    if (upkeep_look(&master->instance, &master->admin))
        relog_in_run_dir(&master->relog);
    reloads_follow_up(&master->reloads);
    admin_keep_waiting(&master->admin);
    uint64_t times[] = {master->instance.config->watchdog_ms, paused_ms};
    each_child(master, watch_child, times);
}

static int on_set_up(void *owner, char *out_why, size_t size) {
    struct master *master = owner;
    int err = admin_open(&master->admin);
    if (err) {
        snprintf(out_why, size, "%s: %s", instance_path(&master->instance, "admin.sock"),
                 admin_explain(err));
        return err;
    }
    master->watched_ms = uv_now(&master->instance.loop);
    uv_timer_start(&master->watch, on_watch, WATCH_MS, WATCH_MS);
    return 0;
}

static void tear_down(struct master *master) {
    struct instance *instance = &master->instance;
    struct list *node, *after;
    uv_timer_stop(&master->watch); /* or it would make again what goes */
    list_each_safe (node, after, &instance->pools)
        pool_free(pool_of(node));
    admin_stop(&master->admin);
    rundir_close(&instance->run_dir);
    log_pipes_close(&instance->log_pipes);
    if (instance->log)
        log_notice("stopped");
    output_flush(instance);
    /* Last, for the client that asked waits for this end: by now another instance can start. */
    admin_close(&master->admin);
    reloads_done(&master->reloads);
    terminal_close(&master->terminal);
    relog_done(&master->relog);
    instance_done(instance);
    output_close(instance);
    startup_report(&master->startup, master->exit_code);
}

static const struct startup_events startup_events = {on_set_up, on_start_failed, on_abandoned};

static int init(struct master *master, const struct master_options *options) {
    struct instance *instance = &master->instance;
    *master = (struct master){.terminal.fd = -1};
    startup_prepare(&master->startup, instance, options);
    char why[512];
    int err = instance_init(instance, why, sizeof(why));
    if (err) {
        print_why(stderr, why);
        return err;
    }
    instance->is_daemon = options->is_daemon;
    err = output_open(instance);
    if (err) {
        print_why(stderr, "no thread can be started");
        return err;
    }
    instance->events = &supervisor_events;
    instance->owner = master;
    relog_init(&master->relog, instance);
    reloads_init(&master->reloads, instance, &options->source);
    admin_init(&master->admin, instance, &admin_verbs, master);
    uv_timer_init(&instance->loop, &master->watch);
    master->watch.data = master;
    err = startup_init(&master->startup, &startup_events, master, why, sizeof(why));
    if (err) {
        print_why(stderr, why);
        return err;
    }
    if (!instance->is_daemon)
        terminal_open(&master->terminal);
    watch_signals(master);
    return 0;
}

/* A write that fails, or a terminal that somebody else uses, ends or stops nobody. */
static void ignore_signals(void) {
    static const int ignored[] = {SIGPIPE, SIGXFSZ, SIGTTOU, SIGTTIN};
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        signal(ignored[i], SIG_IGN);
}

int master_run(const struct master_options *options) {
    struct master master;
    umask(022);
    ignore_signals();
    (void)process_raise_nofile();
    if (init(&master, options) != 0) {
        startup_report(&master.startup, EXIT_FAILURE);
        return EXIT_FAILURE;
    }
    startup_begin(&master.startup);
    uv_run(&master.instance.loop, UV_RUN_DEFAULT);
    tear_down(&master);
    return master.exit_code;
}
