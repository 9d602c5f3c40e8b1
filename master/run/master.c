/* SPDX-License-Identifier: MIT
 *
 * See master.h.
 */
#include "master.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin.h"
#include "child.h"
#include "daemon.h"
#include "heal.h"
#include "instance.h"
#include "log.h"
#include "output.h"
#include "pool.h"
#include "process.h"
#include "reloads.h"
#include "relog.h"
#include "report.h"
#include "say.h"
#include "setup.h"
#include "signals.h"
#include "supervisor.h"
#include "terminal.h"
#include "upkeep.h"

#define WATCH_MS     1000u
#define SIGNAL_COUNT 6

struct master {
    struct instance instance;
    const struct master_options *options;
    struct admin admin;
    struct reloads reloads;
    struct relog relog;
    struct loading *loading; /* at the start */
    struct setup setup;      /* behind that */
    uv_signal_t signals[SIGNAL_COUNT];
    uv_timer_t watch; /* once a second */
    uint64_t watched_ms;
    struct report report;
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

/* The start is decided: a daemon's parent may go, and its terminal is given back. */
static void report(struct master *master, int exit_code) {
    if (report_is_awaited(&master->report) && exit_code == EXIT_SUCCESS) {
        daemon_drop_input();
        output_leave_terminal(&master->instance);
    }
    report_tell(&master->report, exit_code);
}

static void stop(void *owner, bool is_graceful);

static void fail_start(struct master *master, const char *why) {
    master->exit_code = EXIT_FAILURE;
    if (why)
        say(master, why);
    stop(master, false);
}

static bool is_ready(const struct pool *pool) {
    for (unsigned i = 0; i < pool->place_count; i++)
        if (pool->places[i]->slot.state != SLOT_READY)
            return false;
    return true;
}

static void on_became_ready(void *owner) {
    struct master *master = owner;
    struct instance *instance = &master->instance;
    struct list *node;
    if (instance->phase != INSTANCE_STARTING)
        return;
    list_each (node, &instance->pools)
        if (!is_ready(pool_of(node)))
            return;
    instance->phase = INSTANCE_RUNNING;
    if (master->options->on_started)
        output_print(instance->out, master->options->on_started, instance);
    log_notice("started: %s", instance->config->run_dir);
    report(master, EXIT_SUCCESS);
}

static void on_not_started(void *owner, const struct place *place) {
    struct master *master = owner;
    char why[1024];
    if (master->instance.phase != INSTANCE_STARTING)
        return;
    snprintf(why, sizeof(why), "%s did not start: %s", place->label,
             place->last_failure ? place->last_failure : "it died");
    fail_start(master, why);
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
        setup_cancel(&master->setup);
        loading_cancel(master->loading);
        master->loading = NULL;
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

static void start_all(struct master *master) {
    struct list *node;
    list_each (node, &master->instance.pools) {
        struct pool *pool = pool_of(node);
        for (unsigned i = 0;
             i < pool->place_count && master->instance.phase == INSTANCE_STARTING; i++)
            supervisor_tell(pool->places[i], SLOT_ON_START);
    }
}

static void on_set_up(void *owner, const char *why) {
    struct master *master = owner;
    char text[512];
    int err = why ? 0 : admin_open(&master->admin);
    if (err) {
        snprintf(text, sizeof(text), "%s: %s", instance_path(&master->instance, "admin.sock"),
                 strerror(-err));
        why = text;
    }
    if (why) {
        fail_start(master, why);
        return;
    }
    master->watched_ms = uv_now(&master->instance.loop);
    uv_timer_start(&master->watch, on_watch, WATCH_MS, WATCH_MS);
    start_all(master);
}

static void print_errors(FILE *out, const void *arg) {
    const struct config_errors *errors = arg;
    for (size_t i = 0; i < errors->count; i++)
        say_line(out, "%s", errors->lines[i]);
}

static void on_loaded(void *owner, struct config *config, const struct pins *pins,
                      const struct config_errors *errors) {
    struct master *master = owner;
    master->loading = NULL;
    instance_take_config(&master->instance, config);
    if (!config) {
        output_print(master->instance.err, print_errors, errors);
        fail_start(master, NULL);
        return;
    }
    setup_start(&master->setup, pins);
    for (size_t i = 0; master->instance.log && i < pins->note_count; i++)
        log_info("%s", pins->notes[i]);
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
    report(master, master->exit_code);
}

static int init(struct master *master, const struct master_options *options) {
    struct instance *instance = &master->instance;
    *master =
        (struct master){.options = options, .report.fd = options->report_fd, .terminal.fd = -1};
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
    setup_init(&master->setup, instance, on_set_up, master);
    reloads_init(&master->reloads, instance, &options->source);
    admin_init(&master->admin, instance, &admin_verbs, master);
    uv_timer_init(&instance->loop, &master->watch);
    master->watch.data = master;
    err =
        report_open(&master->report, &instance->loop, options->report_fd, on_abandoned, master);
    if (err) {
        snprintf(why, sizeof(why), "cannot report on the start: %s", uv_strerror(err));
        print_why(stderr, why);
        return err;
    }
    if (!instance->is_daemon)
        terminal_open(&master->terminal);
    watch_signals(master);
    return 0;
}

static void load(struct master *master) {
    static const struct loading_done done = {on_loaded};
    struct instance *instance = &master->instance;
    master->loading = loading_start(&instance->spawner, &master->options->source,
                                    &instance->programs.list[PROGRAM_WORKER], &done, master);
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
        report(&master, EXIT_FAILURE);
        return EXIT_FAILURE;
    }
    load(&master);
    uv_run(&master.instance.loop, UV_RUN_DEFAULT);
    tear_down(&master);
    return master.exit_code;
}
