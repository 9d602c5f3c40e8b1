/* SPDX-License-Identifier: MIT
 *
 * See client.h. A loop of its own for each question: the command line asks one at a time.
 */
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "channel.h"
#include "options.h"
#include "say.h"
#include "unix_socket.h"

/* How long a process may take to end after it has closed its admin socket. */
#define END_MS 5000

struct question {
    uv_loop_t loop;
    uv_timer_t deadline;
    struct channel *channel;
    const struct client_events *events;
    void *owner;
    const char *path;
    int peer_fd; /* a pidfd of the other end; negative: it is gone */
    bool may_end;
    int exit_code;
};

static void complain(const struct question *question, const char *why) {
    if (!question->events->is_silent)
        say_line(stderr, "crewman: %s: %s", question->path, why);
}

static int connect_to(const char *path) {
    struct sockaddr_un address;
    int err = unix_socket_address(path, &address);
    if (err)
        return err;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    err = -errno;
    close(fd);
    return err;
}

static int open_peer(int fd) {
    struct ucred peer;
    int err = unix_socket_peer(fd, &peer);
    return err ? err : pidfd_open(peer.pid, 0);
}

/* Whoever does not want to talk to us closes too: an end is an answer only if the process ends.
 */
static bool has_ended(int peer_fd) {
    struct pollfd peer = {.fd = peer_fd, .events = POLLIN};
    return peer_fd < 0 || poll(&peer, 1, END_MS) == 1;
}

static void leave(struct question *question, int exit_code) {
    question->exit_code = exit_code;
    channel_close(question->channel);
    question->channel = NULL;
    uv_timer_stop(&question->deadline);
}

static void on_message(void *owner, const struct message *type, json_t *body, int fd) {
    struct question *question = owner;
    if (type->id == MSG_REFUSED) {
        if (!question->events->is_silent)
            say_line(stderr, "crewman: %s", json_string_value(json_object_get(body, "reason")));
        leave(question, EXIT_FAILED);
    } else if (question->events->on_answer(question->owner, type, body, fd)) {
        leave(question, EXIT_DONE);
    }
}

static void on_end(void *owner, const char *reason) {
    struct question *question = owner;
    bool is_fine = question->may_end && !reason && has_ended(question->peer_fd);
    if (!is_fine)
        complain(question, reason ? reason : "the connection was closed before an answer came");
    leave(question, is_fine ? EXIT_DONE : EXIT_FAILED);
}

static void on_deadline(uv_timer_t *timer) {
    struct question *question = timer->data;
    complain(question, "no answer");
    leave(question, EXIT_FAILED);
}

static int talk(struct question *question, int fd, enum message_id ask, json_t *body,
                uint64_t timeout_ms) {
    static const struct channel_events events = {on_message, on_end};
    int err = uv_loop_init(&question->loop);
    if (err) {
        complain(question, uv_strerror(err));
        json_decref(body);
        close(fd);
        return EXIT_FAILED;
    }
    uv_timer_init(&question->loop, &question->deadline);
    question->deadline.data = question;
    if (timeout_ms > 0)
        uv_timer_start(&question->deadline, on_deadline, timeout_ms, 0);
    question->exit_code = EXIT_FAILED;
    question->channel = channel_open(&question->loop, fd, MESSAGE_TO_CLI, &events, question);
    err = -ENOMEM;
    if (question->channel)
        err = channel_send(question->channel, message_get(ask), body, -1);
    else
        json_decref(body);
    /* Whoever turns us away may have closed before we asked; its word waits to be read. */
    if (err == 0 || err == -EPIPE)
        uv_run(&question->loop, UV_RUN_DEFAULT);
    channel_close(question->channel);
    uv_close((uv_handle_t *)&question->deadline, NULL);
    uv_run(&question->loop, UV_RUN_DEFAULT);
    uv_loop_close(&question->loop);
    return question->exit_code;
}

int client_ask(const char *path, enum message_id ask, json_t *body,
               const struct client_events *events, void *owner, bool may_end,
               uint64_t timeout_ms) {
    struct question question = {
        .events = events, .owner = owner, .path = path, .may_end = may_end};
    int fd = connect_to(path);
    if (fd >= 0) {
        question.peer_fd = open_peer(fd);
        int exit_code = talk(&question, fd, ask, body, timeout_ms);
        if (question.peer_fd >= 0)
            close(question.peer_fd);
        return exit_code;
    }
    json_decref(body);
    if (fd == -ENOENT || fd == -ECONNREFUSED)
        return EXIT_NOT_RUNNING;
    complain(&question, strerror(-fd));
    return EXIT_FAILED;
}

int client_ask_on(int fd, enum message_id ask, const struct client_events *events, void *owner,
                  uint64_t timeout_ms) {
    struct question question = {.events = events, .owner = owner, .path = "", .peer_fd = -1};
    return talk(&question, fd, ask, json_object(), timeout_ms);
}
