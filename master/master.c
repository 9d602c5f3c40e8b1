/* SPDX-License-Identifier: MIT
 *
 * See master.h: the life of an instance from the configuration to the last worker.
 */
#include "master.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "banner.h"
#include "child.h"
#include "daemon.h"
#include "loading.h"
#include "log.h"
#include "memory.h"
#include "pidfile.h"
#include "process.h"
#include "reload.h"
#include "service.h"
#include "supervisor.h"

#define WATCH_MS        1000u
#define ORPHANS_MS      3000u
#define ORPHANS_STEP_MS 50u
#define PROCESS_MASK    0xffffffu

const char *master_path(const struct master *master, const char *name) {
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", master->config->run_dir, name);
    return path;
}

/* Ids of an earlier instance must not come again: the numbers start at the time of day, and
 * grow. */
uint32_t master_next_process(struct master *master) {
    master->next_process = (master->next_process + 1) & PROCESS_MASK;
    if (master->next_process == 0)
        master->next_process = 1;
    return master->next_process;
}

uint32_t master_random(struct master *master) {
    uint32_t value = (uint32_t)uv_hrtime();
    (void)uv_random(NULL, NULL, &value, sizeof(value), 0, NULL);
    (void)master;
    return value;
}

static int say(const char *text) {
    fprintf(stderr, "crewman: %s\n", text);
    return EXIT_FAILED;
}

/* The start is decided: a daemon's parent may go, and its terminal is given back. */
static void report(struct master *master, int exit_code) {
    unsigned char byte = (unsigned char)exit_code;
    if (master->report_fd < 0)
        return;
    if (exit_code == EXIT_DONE)
        daemon_redirect(master->log_fd);
    if (write(master->report_fd, &byte, 1) != 1)
        log_debug("the parent of the daemon is gone");
    close(master->report_fd);
    master->report_fd = -1;
}

static void fail_start(struct master *master, const char *why) {
    master->exit_code = EXIT_FAILED;
    if (why)
        say(why);
    master_stop(master, false);
}

static bool is_ready(const struct service *service) {
    for (unsigned i = 0; i < service->place_count; i++)
        if (service->places[i]->slot.state != SLOT_READY)
            return false;
    return true;
}

void master_check_started(struct master *master) {
    struct list *node;
    if (master->phase != MASTER_STARTING)
        return;
    list_each (node, &master->services)
        if (!is_ready(list_entry(node, struct service, in_master)))
            return;
    master->phase = MASTER_RUNNING;
    if (!master->options->is_quiet)
        banner_print(master);
    log_notice("started: %s", master->config->run_dir);
    report(master, EXIT_DONE);
}

void master_place_failed(struct master *master, const struct place *place) {
    char why[1024];
    if (master->phase != MASTER_STARTING)
        return;
    snprintf(why, sizeof(why), "%s/%u did not start: %s", place->service->name, place->index,
             place->last_failure ? place->last_failure : "it died");
    fail_start(master, why);
}

void master_check_stopped(struct master *master) {
    struct list *node;
    if (master->phase != MASTER_STOPPING)
        return;
    list_each (node, &master->services)
        if (!list_is_empty(&list_entry(node, struct service, in_master)->children))
            return;
    uv_stop(&master->loop);
}

static void hurry(struct master *master) {
    struct list *node, *inner;
    list_each (node, &master->services) {
        struct service *service = list_entry(node, struct service, in_master);
        list_each (inner, &service->children)
            supervisor_drain_child(list_entry(inner, struct child, in_service));
    }
}

static void retire_all(struct master *master) {
    struct list *node;
    list_each (node, &master->services) {
        struct service *service = list_entry(node, struct service, in_master);
        service_stop_listening(service);
        for (unsigned i = 0; i < service->place_count; i++)
            supervisor_tell(service->places[i], SLOT_ON_RETIRE);
    }
}

void master_stop(struct master *master, bool is_graceful) {
    bool is_first = master->phase != MASTER_STOPPING;
    if (!is_first && (is_graceful || !master->is_graceful))
        return;
    if (master->phase == MASTER_STARTING && master->exit_code == EXIT_DONE)
        master->exit_code = say("stopped before every worker was ready");
    master->phase = MASTER_STOPPING;
    master->is_graceful = is_graceful;
    if (is_first) {
        if (master->log_fd >= 0)
            log_notice("stopping%s", is_graceful ? " gracefully" : "");
        loading_cancel(master->loading);
        master->loading = NULL;
        reload_abandon(master, "the instance is stopping");
        retire_all(master);
    }
    hurry(master);
    master_check_stopped(master);
}

static void on_signal(uv_signal_t *handle, int number) {
    struct master *master = handle->data;
    log_notice("%s", process_signal_name(number));
    if (number == SIGTERM || number == SIGINT)
        master_stop(master, false);
    else if (number == SIGQUIT)
        master_stop(master, true);
    else if (master->phase == MASTER_RUNNING)
        reload_start(master, number == SIGUSR2, NULL);
}

static void watch_signals(struct master *master) {
    static const int numbers[MASTER_SIGNALS] = {SIGTERM, SIGINT,  SIGQUIT,
                                                SIGHUP,  SIGUSR1, SIGUSR2};
    for (int i = 0; i < MASTER_SIGNALS; i++) {
        uv_signal_init(&master->loop, &master->signals[i]);
        master->signals[i].data = master;
        uv_signal_start(&master->signals[i], on_signal, numbers[i]);
    }
}

/* When we were stopped, or the machine gave us no time, the beats of meanwhile wait in the
 * pipes: the silence is ours. */
static uint64_t take_pause(struct master *master) {
    uint64_t now = uv_now(&master->loop);
    uint64_t passed = now - master->watched_ms;
    master->watched_ms = now;
    return passed > 2 * WATCH_MS ? passed - WATCH_MS : 0;
}

static void on_watch(uv_timer_t *timer) {
    struct master *master = timer->data;
    struct list *node, *inner;
    uint64_t paused = take_pause(master);
    reload_follow_up(master);
    admin_watch(master);
    list_each (node, &master->services) {
        struct service *service = list_entry(node, struct service, in_master);
        list_each (inner, &service->children)
            child_watch(list_entry(inner, struct child, in_service),
                        master->config->watchdog_ms, paused);
    }
}

static int open_log(const struct master *master) {
    const struct config *config = master->config;
    const char *path = config->log_file;
    if (!path[0] && !master->is_daemon)
        return fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (!path[0])
        path = master_path(master, "crewman.log");
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    return fd < 0 ? -errno : fd;
}

int master_reopen_logs(struct master *master) {
    struct list *node, *inner;
    int fd = open_log(master);
    if (fd < 0)
        return fd;
    if (dup3(fd, master->log_fd, O_CLOEXEC) < 0) {
        close(fd);
        return -errno;
    }
    close(fd);
    if (master->is_daemon)
        daemon_redirect(master->log_fd);
    list_each (node, &master->services) {
        struct service *service = list_entry(node, struct service, in_master);
        list_each (inner, &service->children)
            child_reopen_log(list_entry(inner, struct child, in_service), master->log_fd);
    }
    log_notice("log reopened");
    return 0;
}

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

static int take_pidfile(struct master *master, char *why, size_t size) {
    pid_t other = 0;
    const char *path = master_path(master, "crewman.pid");
    int fd = pidfile_take(path, &other);
    if (fd >= 0) {
        master->pid_fd = fd;
        master->follows_crash = other != 0;
        return 0;
    }
    if (fd == -EWOULDBLOCK)
        snprintf(why, size, "already running, pid %d (%s)", (int)other, path);
    else
        snprintf(why, size, "%s: %s", path, strerror(-fd));
    return -1;
}

static int set_up_log(struct master *master, char *why, size_t size) {
    int fd = open_log(master);
    if (fd < 0) {
        snprintf(why, size, "log %s: %s",
                 master->config->log_file[0] ? master->config->log_file
                                             : master_path(master, "crewman.log"),
                 strerror(-fd));
        return -1;
    }
    master->log_fd = fd;
    log_setup(fd, (enum crew_log_level)master->config->log_level, "master");
    return 0;
}

/* The workers of a master that was killed close their listeners as soon as they notice. */
static int open_sockets(const struct master *master, const struct config_service *config,
                        struct sockets **out_sockets, char *why, size_t size) {
    unsigned tries = master->follows_crash ? ORPHANS_MS / ORPHANS_STEP_MS : 0;
    for (;;) {
        int err = sockets_open(config, out_sockets, why, size);
        if (err != -EADDRINUSE || tries-- == 0)
            return err;
        uv_sleep(ORPHANS_STEP_MS);
    }
}

static int check_user(const char *user, const char *group, char *why, size_t size) {
    struct identity identity;
    if (process_identity(user, group, &identity, why, size) != 0)
        return -1;
    if (!identity.is_set || geteuid() == 0 || identity.uid == geteuid())
        return 0;
    snprintf(why, size, "user \"%s\": only root can start workers as another user", user);
    return -1;
}

/* Before the first worker is started: a name or an address that is wrong must not leave half an
 * instance. */
static int make_services(struct master *master, char *why, size_t size) {
    struct config *config = master->config;
    if (check_user(config->user, config->group, why, size) != 0)
        return -1;
    for (size_t i = 0; i < config->service_count; i++) {
        const struct config_service *service = &config->services[i];
        struct sockets *sockets = NULL;
        if (check_user(service->user, service->group, why, size) != 0)
            return -1;
        if (open_sockets(master, &config->services[i], &sockets, why, size) != 0)
            return -1;
        if (!service_new(master, &config->services[i], sockets, why, size)) {
            sockets_unref(sockets);
            return -1;
        }
    }
    return 0;
}

static void start_all(struct master *master) {
    struct list *node;
    list_each (node, &master->services) {
        struct service *service = list_entry(node, struct service, in_master);
        for (unsigned i = 0; i < service->place_count && master->phase == MASTER_STARTING; i++)
            supervisor_tell(service->places[i], SLOT_ON_START);
    }
}

static int set_up(struct master *master, char *why, size_t size) {
    if (make_run_dir(master->config, why, size) != 0 || take_pidfile(master, why, size) != 0)
        return -1;
    child_sweep(master->config->run_dir);
    if (set_up_log(master, why, size) != 0 || make_services(master, why, size) != 0)
        return -1;
    int err = admin_open(master);
    if (err)
        snprintf(why, size, "%s: %s", master_path(master, "admin.sock"), strerror(-err));
    return err;
}

static void on_loaded(void *owner, struct config *config, const struct config_errors *errors) {
    struct master *master = owner;
    char why[1024];
    master->loading = NULL;
    master->config = config;
    if (!config) {
        for (size_t i = 0; i < errors->count; i++)
            fprintf(stderr, "%s\n", errors->lines[i]);
        fail_start(master, NULL);
        return;
    }
    if (set_up(master, why, sizeof(why)) != 0) {
        fail_start(master, why);
        return;
    }
    master->watched_ms = uv_now(&master->loop);
    uv_timer_start(&master->watch, on_watch, WATCH_MS, WATCH_MS);
    start_all(master);
}

static void close_handle(uv_handle_t *handle, void *arg) {
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void tear_down(struct master *master) {
    struct list *node, *after;
    list_each_safe (node, after, &master->services)
        service_free(list_entry(node, struct service, in_master));
    admin_stop(master);
    if (master->pid_fd >= 0)
        pidfile_release(master_path(master, "crewman.pid"), master->pid_fd);
    if (master->config && master->log_fd >= 0)
        log_notice("stopped");
    /* Last, for the client that asked waits for this end: by now another instance can start. */
    admin_close(master);
    uv_run(&master->loop, UV_RUN_NOWAIT);
    uv_walk(&master->loop, close_handle, NULL);
    uv_run(&master->loop, UV_RUN_NOWAIT);
    (void)uv_loop_close(&master->loop);
    config_free(master->config);
    free(master->worker_path);
    report(master, master->exit_code);
}

char *master_find_worker(void) {
    char path[4096];
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
    path[len > 0 ? len : 0] = '\0';
    char *slash = strrchr(path, '/');
    if (!slash)
        return memory_copy_text("crewman-worker");
    return memory_format("%.*s/crewman-worker", (int)(slash - path), path);
}

static void on_turn(uv_prepare_t *handle) {
    struct master *master = handle->data;
    master->turns++;
}

static int init(struct master *master, const struct options *options, int report_fd) {
    *master = (struct master){.options = options,
                              .generation = 1,
                              .pid_fd = -1,
                              .log_fd = -1,
                              .admin.fd = -1,
                              .report_fd = report_fd,
                              .is_daemon = options->is_daemon};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    master->next_process = (uint32_t)now.tv_sec & PROCESS_MASK;
    master->worker_path = master_find_worker();
    list_init(&master->services);
    list_init(&master->admin.clients);
    int err = uv_loop_init(&master->loop);
    if (err) {
        fprintf(stderr, "crewman: cannot make an event loop: %s\n", uv_strerror(err));
        free(master->worker_path);
        return err;
    }
    master->started_ms = uv_now(&master->loop);
    uv_timer_init(&master->loop, &master->watch);
    master->watch.data = master;
    uv_prepare_init(&master->loop, &master->turn);
    master->turn.data = master;
    uv_prepare_start(&master->turn, on_turn);
    uv_unref((uv_handle_t *)&master->turn);
    watch_signals(master);
    return 0;
}

int master_run(const struct options *options, int report_fd) {
    static const struct loading_done done = {on_loaded};
    struct master master;
    umask(022);
    signal(SIGPIPE, SIG_IGN);
    /* Whatever the shell left open must not reach the workers. */
    (void)close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
    (void)process_raise_nofile();
    if (init(&master, options, report_fd) != 0) {
        report(&master, EXIT_FAILED);
        return EXIT_FAILED;
    }
    master.loading = loading_start(&master.loop, options, master.worker_path, &done, &master);
    uv_run(&master.loop, UV_RUN_DEFAULT);
    tear_down(&master);
    return master.exit_code;
}
