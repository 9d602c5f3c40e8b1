/* SPDX-License-Identifier: MIT
 *
 * See child.h. The descriptors: docs/control-protocol.md.
 */
#include "child.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crewman.h"
#include "descriptors.h"
#include "log.h"
#include "memory.h"
#include "printable.h"
#include "units.h"

#define KILL_MARGIN_MS   2000u
#define ABORT_GRACE_MS   5000u
#define ORPHAN_MARGIN_MS 10000u
#define BUSY_MS          3000u /* a beat a second, and 2 s late */

#define REFUSAL_MAX 1024u

/* A beat a second and a few words at the ends of a life; after a pause of ours as many beats
 * more as a child leaves unread (worker/process/control.c). The longest is why it failed, 1 KiB
 * of text, each byte of which may be six in JSON. */
static const struct channel_limits child_limits = {.frame = 8u * 1024u,
                                                   .messages_a_second = 256};

static uint64_t now_ms(const struct child *child) {
    return uv_now(child->loop);
}

static void on_closed(uv_handle_t *handle) {
    struct child *child = handle->data;
    free(child->refusal);
    free(child);
}

static void close_page_fd(struct child *child) {
    if (child->page_fd >= 0)
        close(child->page_fd);
    child->page_fd = -1;
}

/* Its last words stand before its obituary. */
static void end_log(struct child *child) {
    if (child->log_pipe)
        log_pipe_end(child->log_pipe);
    child->log_pipe = NULL;
}

static void forget(struct child *child) {
    end_log(child);
    channel_close(child->channel);
    child->channel = NULL;
    list_remove(&child->in_siblings);
    scoreboard_close(child->page);
    close_page_fd(child);
    countdown_close(&child->deadline, on_closed);
}

static void on_ended(struct spawned *spawned, int status, int signal) {
    struct child *child = (struct child *)spawned;
    const struct child_events *events = child->events;
    void *owner = child->owner;
    end_log(child);
    close_page_fd(child); /* it is nobody's sibling any more */
    events->ended(child, status, signal);
    forget(child);
    events->gone(owner);
}

const struct tally *child_count(struct child *child) {
    bool is_possible = tally_read(&child->tally, child->page);
    if (!is_possible && !child->counts_wrong)
        log_warning("%s: pid %d counts what cannot be; such numbers are not taken",
                    child->label, child->spawned.pid);
    child->counts_wrong = child->counts_wrong || !is_possible;
    return &child->tally;
}

static void receive_beat(struct child *child) {
    uint64_t now = now_ms(child), passed = now - child->beat_ms;
    uint64_t messages = child_count(child)->values[COUNTER_MESSAGES_IN];
    if (passed > 0)
        child->rate = (double)(messages - child->rated_in) * 1000.0 / (double)passed;
    child->rated_in = messages;
    child->beat_ms = now;
    child->is_aborted = false;
}

/* The program was replaced and the instance was not: the messages decide whether both
 * understand each other, and people had better know. Once: it is a line in the log. */
static void receive_hello(struct child *child, const json_t *body) {
    const char *version = json_string_value(json_object_get(body, "version"));
    if (child->has_greeted)
        child_kill(child, "it broke the control protocol: a second \"hello\"");
    else if (strcmp(version, CREW_VERSION) != 0)
        log_warning("%s: pid %d is of Crewman %.32s, the master of %s: restart the instance",
                    child->label, child->spawned.pid, version, CREW_VERSION);
    child->has_greeted = true;
}

static void receive_drained(struct child *child, const json_t *body) {
    child->is_drained = true;
    child->closed = (uint64_t)json_integer_value(json_object_get(body, "closed"));
}

static void receive_failed(struct child *child, const json_t *body) {
    free(child->refusal);
    child->refusal = memory_copy_text(json_string_value(json_object_get(body, "reason")));
    if (strlen(child->refusal) > REFUSAL_MAX)
        child->refusal[REFUSAL_MAX] = '\0';
    /* It will be shown on terminals. */
    printable_make(child->refusal, '?');
}

/* It has mapped its page: from now on nobody else can, to write. Without a descriptor that can
 * only be read its siblings do without. */
static int seal_page(struct child *child) {
    int err = scoreboard_seal(child->page_fd);
    if (err)
        return err;
    int fd = scoreboard_reopen(child->page_fd);
    close(child->page_fd);
    child->page_fd = fd < 0 ? -1 : fd;
    return 0;
}

static void receive_ready(struct child *child) {
    if (child->is_ready || child->role == CHILD_DRAINING)
        return;
    if (seal_page(child) != 0) {
        child_kill(child, "it sealed its page itself");
        return;
    }
    child->is_ready = true;
    child->beat_ms = now_ms(child);
    countdown_stop(&child->deadline);
    child->events->ready(child);
}

static void on_message(void *owner, const struct message *type, json_t *body, int fd) {
    struct child *child = owner;
    (void)fd;
    if (type->id == MSG_BEAT)
        receive_beat(child);
    else if (type->id == MSG_HELLO)
        receive_hello(child, body);
    else if (type->id == MSG_READY)
        receive_ready(child);
    else if (type->id == MSG_FAILED)
        receive_failed(child, body);
    else if (type->id == MSG_DRAINED)
        receive_drained(child, body);
}

/* `limit` is the key of the configuration that `ms` is from. */
static void await(struct child *child, void (*on_late)(struct countdown *deadline),
                  const char *limit, uint64_t ms, uint64_t margin_ms) {
    child->limit = limit;
    child->limit_ms = ms;
    countdown_start(&child->deadline, ms + margin_ms, on_late);
}

static void kill_late(struct child *child, const char *what) {
    char time[32];
    duration_format(child->limit_ms, time, sizeof(time));
    child_kill(child, "%s within %s (%s)", what, time, child->limit);
}

static void on_too_late(struct countdown *deadline) {
    kill_late(deadline->owner, "it did not end");
}

/* A pipe that ends is the process ending, which the spawner tells: unless the app closed it,
 * then the child believes that it is orphaned and drains. One that talks nonsense costs the
 * child.
 */
static void on_end(void *owner, const char *reason) {
    struct child *child = owner;
    channel_close(child->channel);
    child->channel = NULL;
    if (!reason && child->role == CHILD_DRAINING)
        return;
    if (!reason) {
        await(child, on_too_late, "drain_timeout", child->orphan_ms, ORPHAN_MARGIN_MS);
        return;
    }
    log_error("%s: pid %d: control pipe: %s", child->label, child->spawned.pid, reason);
    child_kill(child, "it broke the control protocol");
}

static const struct channel_events pipe_events = {on_message, on_end};

static void on_not_ready(struct countdown *deadline) {
    kill_late(deadline->owner, "it was not ready");
}

/* Not a branch for each kind: what is there is inherited. */
static int spawn(struct child *child, struct spawner *spawner, const struct child_spec *spec,
                 int pipe, int log) {
    int fds[DESCRIPTOR_OWN + CHILD_OWN_MAX] = {[DESCRIPTOR_INPUT] = -1,
                                               [DESCRIPTOR_OUTPUT] = log,
                                               [DESCRIPTOR_LOG] = log,
                                               [DESCRIPTOR_CONTROL] = pipe,
                                               [DESCRIPTOR_PAGE] = child->page_fd,
                                               [DESCRIPTOR_UNUSED] = -1};
    memcpy(fds + DESCRIPTOR_OWN, spec->own_fds, sizeof(spec->own_fds));
    char *arguments[] = {(char *)(uintptr_t)spec->title, NULL};
    struct spawn_spec process = {.program = spec->file,
                                 .arguments = arguments,
                                 .fds = fds,
                                 .count = DESCRIPTOR_OWN + spec->own_count};
    child->spawned.ended = on_ended;
    return spawner_start(spawner, &child->spawned, &process);
}

static struct child *child_new(uv_loop_t *loop, const struct child_spec *spec) {
    struct child *child = memory_new(sizeof(*child));
    child->events = spec->events;
    child->owner = spec->owner;
    child->loop = loop;
    snprintf(child->label, sizeof(child->label), "%s", spec->label);
    snprintf(child->app, sizeof(child->app), "%s", spec->app.name);
    snprintf(child->build_id, sizeof(child->build_id), "%s", spec->app.build_id);
    child->generation = spec->generation;
    child->number = spec->number;
    child->orphan_ms = spec->orphan_ms;
    child->page_fd = -1;
    child->started_ms = child->beat_ms = uv_now(loop);
    countdown_init(&child->deadline, loop, child);
    list_append(spec->siblings, &child->in_siblings);
    return child;
}

/* Takes `pipe` and the plan. */
static void begin_talk(struct child *child, const struct child_spec *spec, int pipe) {
    child->channel = channel_open(child->loop, pipe, MESSAGE_TO_MASTER, &pipe_events, child);
    if (!child->channel) {
        json_decref(spec->plan);
        child_kill(child, "its control pipe could not be set up");
        return;
    }
    channel_limit(child->channel, &child_limits);
    if (channel_send(child->channel, message_get(MSG_PLAN), spec->plan, -1) != 0) {
        child_kill(child, "its plan could not be sent");
        return;
    }
    await(child, on_not_ready, "start_timeout", spec->start_ms, 0);
}

static int open_page(struct child *child) {
    int fd = scoreboard_create();
    if (fd < 0)
        return fd;
    child->page_fd = fd;
    child->page = scoreboard_view(fd);
    return child->page ? 0 : -ENOMEM;
}

struct child *child_start(struct spawner *spawner, const struct child_spec *spec, char *out_why,
                          size_t size) {
    int ends[2] = {-1, -1}, log = -1;
    struct child *child = child_new(spawner->loop, spec);
    int err = open_page(child);
    if (!err)
        err = log_pipe_open(spec->log_pipes, spec->label, &child->log_pipe, &log);
    if (!err && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
        err = -errno;
    if (!err) {
        err = spawn(child, spawner, spec, ends[1], log);
        close(ends[1]);
    }
    if (log >= 0)
        close(log);
    if (!err) {
        log_pipe_set_pid(child->log_pipe, child->spawned.pid);
        begin_talk(child, spec, ends[0]);
        return child;
    }
    snprintf(out_why, size, "cannot start %s: %s", spec->program, uv_strerror(err));
    if (ends[0] >= 0)
        close(ends[0]);
    json_decref(spec->plan);
    forget(child);
    return NULL;
}

void child_kill(struct child *child, const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (!child->killed_for[0])
        vsnprintf(child->killed_for, sizeof(child->killed_for), format, args);
    va_end(args);
    spawner_kill(&child->spawned, SIGKILL);
}

/* Takes `body`. What waits for a child that does not read has a bound. */
static void tell(struct child *child, enum message_id id, json_t *body, int fd) {
    if (!child->channel)
        json_decref(body);
    else if (channel_send(child->channel, message_get(id), body, fd) == -ENOBUFS)
        child_kill(child, "it does not read its control pipe");
}

void child_promote(struct child *child) {
    child->role = CHILD_SERVING;
}

void child_dismiss(struct child *child) {
    child->role = CHILD_DRAINING;
    child->is_expected = true;
    child->is_dismissed = true;
    spawner_kill(&child->spawned, SIGKILL);
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
    tell(child, MSG_DRAIN,
         json_pack("{s:s, s:b, s:I, s:I}", "reason", reason, "graceful", (int)is_graceful,
                   "timeout_ms", (json_int_t)timeout_ms, "spread_ms", (json_int_t)spread_ms),
         -1);
    await(child, on_too_late, is_graceful ? "drain_timeout" : "stop_timeout", timeout_ms,
          KILL_MARGIN_MS);
}

void child_introduce(struct child *child, const struct child *other) {
    if (!other->is_ready || other->page_fd < 0)
        return;
    tell(child, MSG_SIBLING, json_pack("{s:I}", "process", (json_int_t)other->number),
         other->page_fd);
}

void child_withdraw(struct child *child, const struct child *other) {
    tell(child, MSG_SIBLING_GONE, json_pack("{s:I}", "process", (json_int_t)other->number), -1);
}

int child_hand_client(struct child *child, int fd) {
    if (!child->channel)
        return -EPIPE;
    /* Of one that stands still we keep no descriptors. */
    if (!channel_is_flushed(child->channel))
        return -EAGAIN;
    return channel_send(child->channel, message_get(MSG_ADMIN_CLIENT), json_object(), fd);
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
        char time[32];
        duration_format(watchdog_ms, time, sizeof(time));
        child->is_aborted = true;
        snprintf(child->killed_for, sizeof(child->killed_for),
                 "its loop was stuck: no beat within %s (watchdog)", time);
        spawner_kill(&child->spawned, SIGABRT);
    } else if (silent >= watchdog_ms + ABORT_GRACE_MS) {
        spawner_kill(&child->spawned, SIGKILL);
    }
}

bool child_has_ended_well(const struct child *child, int status, int signal) {
    if (child->is_dismissed && signal == SIGKILL)
        return !child->killed_for[0];
    return status == 0 && !signal &&
           (child->is_drained || (child->is_expected && !child->killed_for[0]));
}
