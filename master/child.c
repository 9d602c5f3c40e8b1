/* SPDX-License-Identifier: MIT
 *
 * See child.h. Descriptors of a worker: docs/control-protocol.md.
 */
#include "child.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "master.h"
#include "memory.h"
#include "reload.h"
#include "service.h"
#include "sockets.h"
#include "supervisor.h"

#define START_DEADLINE_MS 60000u
#define KILL_MARGIN_MS    2000u
#define ABORT_GRACE_MS    5000u
#define ORPHAN_MARGIN_MS  10000u
#define BUSY_MS           3000u /* a beat a second, and 2 s late */
#define WORKER_LISTENER   6

static struct master *master_of(const struct child *child) {
    return child->service->master;
}

static uint64_t now_ms(const struct child *child) {
    return uv_now(&master_of(child)->loop);
}

static void on_closed(uv_handle_t *handle) {
    struct child *child = handle->data;
    if (--child->handles > 0)
        return;
    free(child->refusal);
    free(child);
}

static void forget(struct child *child) {
    channel_close(child->channel);
    child->channel = NULL;
    list_remove(&child->in_service);
    service_free_line(child->service, child->line);
    if (child->admin_path[0])
        unlink(child->admin_path);
    uv_close((uv_handle_t *)&child->timer, on_closed);
    if (child->handles > 1)
        uv_close((uv_handle_t *)&child->process, on_closed);
}

static void on_ended(uv_process_t *process, int64_t status, int signal) {
    struct child *child = (struct child *)process;
    struct service *service = child->service;
    supervisor_child_ended(child, (int)status, signal);
    forget(child);
    supervisor_check_empty(service);
}

static uint64_t field(const json_t *body, const char *name) {
    return (uint64_t)json_integer_value(json_object_get(body, name));
}

static void receive_beat(struct child *child, const json_t *body) {
    struct beat beat = {
        .connections = field(body, "connections"),
        .accepted = field(body, "accepted"),
        .messages_in = field(body, "messages_in"),
        .messages_out = field(body, "messages_out"),
        .bytes_in = field(body, "bytes_in"),
        .bytes_out = field(body, "bytes_out"),
        .send_failures = field(body, "send_failures"),
        .reaped = field(body, "reaped"),
        .refused = field(body, "refused"),
        .protocol_errors = field(body, "protocol_errors"),
        .limit_errors = field(body, "limit_errors"),
        .timeouts = field(body, "timeouts"),
        .timers = field(body, "timers"),
        .lag_us = field(body, "lag_us"),
    };
    uint64_t now = now_ms(child), passed = now - child->beat_ms;
    if (passed > 0 && beat.messages_in >= child->beat.messages_in)
        child->rate =
            (double)(beat.messages_in - child->beat.messages_in) * 1000.0 / (double)passed;
    child->beat = beat;
    child->beat_ms = now;
    child->is_aborted = false;
}

static void receive_failed(struct child *child, const json_t *body) {
    free(child->refusal);
    child->refusal = memory_copy_text(json_string_value(json_object_get(body, "reason")));
    /* It will be shown on terminals. */
    for (char *at = child->refusal; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
    child->refusal_exit = (int)json_integer_value(json_object_get(body, "exit"));
}

static void receive_ready(struct child *child) {
    if (child->is_ready || child->role == CHILD_DRAINING)
        return;
    child->is_ready = true;
    child->beat_ms = now_ms(child);
    uv_timer_stop(&child->timer);
    supervisor_child_ready(child);
}

static void on_message(void *owner, const struct message *type, json_t *body, int fd) {
    struct child *child = owner;
    (void)fd;
    if (type->id == MSG_BEAT)
        receive_beat(child, body);
    else if (type->id == MSG_READY)
        receive_ready(child);
    else if (type->id == MSG_FAILED)
        receive_failed(child, body);
    else if (type->id == MSG_DRAINED)
        child->is_drained = true;
}

static void on_too_late(uv_timer_t *timer) {
    child_kill(timer->data, "it did not end in time");
}

/* A pipe that ends is the process ending, which uv_process tells: unless the app closed it,
 * then the worker believes that it is orphaned and drains. One that talks nonsense costs the
 * worker.
 */
static void on_end(void *owner, const char *reason) {
    struct child *child = owner;
    channel_close(child->channel);
    child->channel = NULL;
    if (!reason && child->role == CHILD_DRAINING)
        return;
    if (!reason) {
        uv_timer_start(&child->timer, on_too_late, child->orphan_ms + ORPHAN_MARGIN_MS, 0);
        return;
    }
    log_error("%s/%u: pid %d: control pipe: %s", child->service->name, child->slot,
              child->process.pid, reason);
    child_kill(child, "it broke the control protocol");
}

static const struct channel_events events = {on_message, on_end};

static void on_not_ready(uv_timer_t *timer) {
    child_kill(timer->data, "it was not ready in time");
}

static json_t *plan_for(struct child *child, const struct config_service *service,
                        bool has_listener) {
    const struct master *master = master_of(child);
    const struct config *config = reload_config_of(master, child->generation);
    child->orphan_ms = config->drain_timeout_ms + config->reload_spread_ms;
    return json_pack("{s:s, s:O, s:s, s:i, s:i, s:I, s:I, s:i, s:i, s:i, s:b, s:s, s:s, s:s, "
                     "s:I, s:I}",
                     "service", child->service->name, "config", service->effective, "app",
                     service->app, "slot", (int)child->slot, "generation",
                     (int)child->generation, "process", (json_int_t)child->number, "line",
                     (json_int_t)child->line, "listener", has_listener ? WORKER_LISTENER : -1,
                     "scoreboard", 4, "admin", 5, "stdout_is_log", master->is_daemon ? 1 : 0,
                     "user", service->user, "group", service->group, "log_level",
                     log_level_name((enum crew_log_level)config->log_level), "drain_timeout_ms",
                     (json_int_t)config->drain_timeout_ms, "spread_ms",
                     (json_int_t)config->reload_spread_ms);
}

/* What a worker is born with, beside the log; -1: none. */
struct birth {
    int ours, theirs; /* the control pipe */
    int admin, listener;
};

static int spawn(struct child *child, const struct birth *birth) {
    struct master *master = master_of(child);
    /* Whoever waits for the end of a daemon's output must not wait for its workers. */
    int out = master->is_daemon ? master->log_fd : STDOUT_FILENO;
    int fds[] = {-1,
                 out,
                 master->log_fd,
                 birth->theirs,
                 child->service->board_fd,
                 birth->admin,
                 birth->listener};
    uv_stdio_container_t stdio[7];
    for (int i = 0; i < 7; i++) {
        stdio[i].flags = fds[i] < 0 ? UV_IGNORE : UV_INHERIT_FD;
        stdio[i].data.fd = fds[i];
    }
    /* What ps shows of it. */
    char title[128];
    snprintf(title, sizeof(title), "crewman: worker %s/%u generation %u", child->service->name,
             child->slot, child->generation);
    char *arguments[] = {title, NULL};
    uv_process_options_t options = {.exit_cb = on_ended,
                                    .file = master->worker_path,
                                    .args = arguments,
                                    .stdio_count = birth->listener >= 0 ? 7 : 6,
                                    .stdio = stdio};
    return uv_spawn(&master->loop, &child->process, &options);
}

/* The length of the path is bounded by CONFIG_SOCKET_NAME_MAX. */
static int make_admin_socket(struct child *child) {
    struct sockets_unix options = {.mode = 0600, .backlog = 8};
    snprintf(child->admin_path, sizeof(child->admin_path), "%s/w.%s.%u.%u.sock",
             master_of(child)->config->run_dir, child->service->name, child->slot,
             child->number);
    return sockets_listen_unix(child->admin_path, &options);
}

void child_sweep(const char *run_dir) {
    struct dirent *entry;
    DIR *folder = opendir(run_dir);
    while (folder && (entry = readdir(folder))) {
        size_t len = strlen(entry->d_name);
        if (len > 7 && strncmp(entry->d_name, "w.", 2) == 0 &&
            strcmp(entry->d_name + len - 5, ".sock") == 0)
            unlinkat(dirfd(folder), entry->d_name, 0);
    }
    if (folder)
        closedir(folder);
}

static int prepare(struct child *child, struct birth *birth) {
    int pipe[2];
    birth->admin = make_admin_socket(child);
    if (birth->admin < 0)
        return birth->admin;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pipe) != 0)
        return -errno;
    birth->ours = pipe[0];
    birth->theirs = pipe[1];
    return 0;
}

static void close_fd(int fd) {
    if (fd >= 0)
        close(fd);
}

static struct child *child_new(struct service *service, unsigned slot, unsigned generation) {
    struct child *child = memory_new(sizeof(*child));
    struct master *master = service->master;
    child->service = service;
    child->slot = slot;
    child->generation = generation;
    child->number = master_next_process(master);
    child->line = service_take_line(service);
    child->started_ms = child->beat_ms = uv_now(&master->loop);
    uv_timer_init(&master->loop, &child->timer);
    child->timer.data = child->process.data = child;
    child->handles = 1;
    list_append(&service->children, &child->in_service);
    return child;
}

static void begin_talk(struct child *child, const struct config_service *config,
                       const struct birth *birth) {
    struct master *master = master_of(child);
    uint64_t watchdog = master->config->watchdog_ms;
    child->channel =
        channel_open(&master->loop, birth->ours, MESSAGE_TO_MASTER, &events, child);
    if (!child->channel) {
        child_kill(child, "its control pipe could not be set up");
        return;
    }
    channel_send(child->channel, message_get(MSG_PLAN),
                 plan_for(child, config, birth->listener >= 0), -1);
    uv_timer_start(&child->timer, on_not_ready, watchdog ? watchdog : START_DEADLINE_MS, 0);
}

struct child *child_start(struct service *service, const struct config_service *config,
                          unsigned slot, unsigned generation, int listener, char *out_why,
                          size_t size) {
    struct child *child = child_new(service, slot, generation);
    struct birth birth = {-1, -1, -1, listener};
    int err = prepare(child, &birth);
    if (!err) {
        err = spawn(child, &birth);
        child->handles = 2; /* libuv wants the handle closed even when it could not spawn */
    }
    close_fd(birth.theirs);
    close_fd(birth.admin);
    if (err) {
        snprintf(out_why, size, "cannot start %s: %s", service->master->worker_path,
                 uv_strerror(err));
        close_fd(birth.ours);
        forget(child);
        return NULL;
    }
    begin_talk(child, config, &birth);
    return child;
}

void child_kill(struct child *child, const char *why) {
    if (!child->killed_for)
        child->killed_for = why;
    uv_process_kill(&child->process, SIGKILL);
}

void child_dismiss(struct child *child) {
    child->role = CHILD_DRAINING;
    child->is_expected = true;
    child->is_dismissed = true;
    uv_process_kill(&child->process, SIGKILL);
}

void child_drain(struct child *child, const char *reason, bool is_graceful, uint64_t timeout_ms,
                 uint64_t spread_ms) {
    uint64_t until = now_ms(child) + timeout_ms + KILL_MARGIN_MS;
    bool is_first = child->role != CHILD_DRAINING;
    if (!is_first && until >= child->drain_ms)
        return;
    child->role = CHILD_DRAINING;
    child->is_expected = true;
    child->drain_ms = until;
    if (child->channel)
        channel_send(child->channel, message_get(MSG_DRAIN),
                     json_pack("{s:s, s:b, s:I, s:I}", "reason", reason, "graceful",
                               (int)is_graceful, "timeout_ms", (json_int_t)timeout_ms,
                               "spread_ms", (json_int_t)spread_ms),
                     -1);
    uv_timer_start(&child->timer, on_too_late, timeout_ms + KILL_MARGIN_MS, 0);
}

void child_reopen_log(struct child *child, int fd) {
    if (child->channel)
        channel_send(child->channel, message_get(MSG_REOPEN_LOGS), json_object(), fd);
}

bool child_is_busy(const struct child *child) {
    return child->is_ready && now_ms(child) - child->beat_ms >= BUSY_MS;
}

void child_watch(struct child *child, uint64_t watchdog_ms, uint64_t paused_ms) {
    uint64_t silent = now_ms(child) - child->beat_ms;
    if (paused_ms > silent)
        paused_ms = silent;
    child->beat_ms += paused_ms;
    silent -= paused_ms;
    if (watchdog_ms == 0 || !child->is_ready || silent < watchdog_ms)
        return;
    if (!child->is_aborted) {
        child->is_aborted = true;
        child->killed_for = "its loop was stuck: no beat within the watchdog's time";
        uv_process_kill(&child->process, SIGABRT);
    } else if (silent >= watchdog_ms + ABORT_GRACE_MS) {
        uv_process_kill(&child->process, SIGKILL);
    }
}
