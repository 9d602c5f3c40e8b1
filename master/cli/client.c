/* SPDX-License-Identifier: MIT
 *
 * See client.h. A loop of its own for each question: the command line asks one at a time.
 */
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "channel.h"
#include "countdown.h"
#include "options.h"
#include "pidfile.h"
#include "process.h"
#include "say.h"
#include "unix_socket.h"

/* How long a process may take to end after it has closed its admin socket. */
#define END_MS  5000
#define LOOK_MS 20 /* a pause of ours counts as one look */
/* For a place in the backlog. */
#define CONNECT_S 2
/* A machine may be slow: a master that nobody has stopped has its silence so many times. */
#define SILENCES_MAX 3

struct question {
    uv_loop_t loop;
    struct countdown deadline;
    uint64_t silence_ms;
    struct channel *channel;
    const struct client_events *events;
    void *owner;
    const char *path;
    pid_t pid;   /* of the other end; 0: not known */
    int peer_fd; /* a pidfd of it; negative: there is none */
    unsigned silences;
    bool may_end;
    int exit_code;
};

static void complain(const struct question *question, const char *why) {
    if (!question->events->is_silent)
        say_line(stderr, "crewman: %s: %s", question->path, why);
}

/* It cannot be a fault of the request: nobody has read it. */
static void complain_of_silence(const struct question *question) {
    if (question->events->is_silent)
        return;
    if (question->pid > 0 && process_is_stopped(question->pid))
        say_line(stderr,
                 "crewman: the master, pid %d, does not answer: it is stopped; continue it: "
                 "kill -CONT %d",
                 (int)question->pid, (int)question->pid);
    else if (question->pid > 0)
        say_line(stderr, "crewman: the master, pid %d, does not answer", (int)question->pid);
    else
        complain(question, "no answer");
}

static int connect_to(const char *path) {
    const struct timeval limit = {.tv_sec = CONNECT_S};
    struct sockaddr_un address;
    int err = unix_socket_address(path, &address);
    if (err)
        return err;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    err = -errno;
    close(fd);
    return err;
}

/* Whose folder it is may serve there: root asks the instances of others too. */
static bool is_of_owner(const char *path, uid_t uid) {
    char folder[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
    struct stat found;
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash + 1 - path) : 1,
             slash ? path : ".");
    return stat(folder, &found) == 0 && found.st_uid == uid;
}

/* Where others may make a socket they must not tell us anything, nor hear what we want. */
static int check_peer(const struct question *question, int fd) {
    struct ucred peer;
    char expected[32] = "root";
    int err = unix_socket_peer(fd, &peer);
    if (geteuid() != 0)
        snprintf(expected, sizeof(expected), "root or user %u", (unsigned)geteuid());
    if (!err && (peer.uid == 0 || peer.uid == geteuid() ||
                 (geteuid() == 0 && is_of_owner(question->path, peer.uid))))
        return 0;
    if (err)
        complain(question, strerror(-err));
    else if (!question->events->is_silent)
        say_line(stderr,
                 "crewman: %s: pid %d of user %u answers there; expected %s; nothing was "
                 "asked",
                 question->path, (int)peer.pid, (unsigned)peer.uid, expected);
    return -EPERM;
}

static void open_peer(struct question *question, int fd) {
    struct ucred peer;
    question->peer_fd = -1;
    if (unix_socket_peer(fd, &peer) != 0 || peer.pid <= 0)
        return;
    question->pid = peer.pid;
    question->peer_fd = pidfd_open(peer.pid, 0);
}

/* Of another PID namespace, whose processes have no number here. */
static bool serves_no_more(const char *path) {
    int fd = connect_to(path);
    if (fd >= 0)
        close(fd);
    return fd == -ENOENT || fd == -ECONNREFUSED;
}

static bool is_gone(const struct question *question) {
    if (question->pid > 0)
        return kill(question->pid, 0) != 0 && errno == ESRCH;
    return serves_no_more(question->path);
}

/* Whoever does not want to talk to us closes too: an end is an answer only if the process ends.
 */
static bool has_ended(const struct question *question) {
    struct pollfd peer = {.fd = question->peer_fd, .events = POLLIN};
    bool has_peer = question->peer_fd >= 0;
    for (int waited = 0; waited < END_MS; waited += LOOK_MS)
        if (poll(&peer, 1, LOOK_MS) == 1 || (!has_peer && is_gone(question)))
            return true;
    return false;
}

static void leave(struct question *question, int exit_code) {
    question->exit_code = exit_code;
    channel_close(question->channel);
    question->channel = NULL;
    countdown_stop(&question->deadline);
}

static void on_silence(struct countdown *deadline);

static void listen_on(struct question *question) {
    countdown_start(&question->deadline, question->silence_ms, on_silence);
}

static void on_silence(struct countdown *deadline) {
    struct question *question = deadline->owner;
    bool is_slow = question->pid > 0 && !process_is_stopped(question->pid);
    if (is_slow && ++question->silences < SILENCES_MAX) {
        listen_on(question);
        return;
    }
    complain_of_silence(question);
    leave(question, EXIT_FAILED);
}

static void on_message(void *owner, const struct message *type, json_t *body, int fd) {
    struct question *question = owner;
    question->silences = 0;
    if (question->pid > 0) /* a worker has one deadline for all that it says */
        listen_on(question);
    if (type->id == MSG_WAIT)
        return;
    if (type->id == MSG_REFUSED) {
        if (!question->events->is_silent)
            say_lines(stderr, "crewman: ", json_string_value(json_object_get(body, "reason")));
        leave(question, EXIT_FAILED);
    } else if (question->events->on_answer(question->owner, type, body, fd)) {
        leave(question, EXIT_DONE);
    }
}

static void on_end(void *owner, const char *reason) {
    struct question *question = owner;
    bool is_fine = question->may_end && !reason && has_ended(question);
    if (!is_fine)
        complain(question, reason ? reason : "the connection was closed before an answer came");
    leave(question, is_fine ? EXIT_DONE : EXIT_FAILED);
}

static int talk(struct question *question, int fd, enum message_id ask, json_t *body,
                uint64_t silence_ms) {
    static const struct channel_events events = {on_message, on_end};
    int err = uv_loop_init(&question->loop);
    if (err) {
        complain(question, uv_strerror(err));
        json_decref(body);
        close(fd);
        return EXIT_FAILED;
    }
    countdown_init(&question->deadline, &question->loop, question);
    question->silence_ms = silence_ms;
    listen_on(question);
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
    countdown_close(&question->deadline, NULL);
    uv_run(&question->loop, UV_RUN_DEFAULT);
    uv_loop_close(&question->loop);
    return question->exit_code;
}

/* By its pid file, which lies beside its socket. */
static pid_t find_master(const char *path) {
    char file[256];
    const char *slash = strrchr(path, '/');
    snprintf(file, sizeof(file), "%.*screwman.pid", slash ? (int)(slash + 1 - path) : 0, path);
    return pidfile_read(file);
}

int client_ask(const char *path, enum message_id ask, json_t *body,
               const struct client_events *events, void *owner, bool may_end,
               uint64_t silence_ms) {
    struct question question = {
        .events = events, .owner = owner, .path = path, .may_end = may_end};
    int fd = connect_to(path);
    if (fd >= 0 && check_peer(&question, fd) != 0) {
        close(fd);
        json_decref(body);
        return EXIT_FAILED;
    }
    if (fd >= 0) {
        open_peer(&question, fd);
        int exit_code = talk(&question, fd, ask, body, silence_ms);
        if (question.peer_fd >= 0)
            close(question.peer_fd);
        return exit_code;
    }
    json_decref(body);
    if (fd == -ENOENT || fd == -ECONNREFUSED)
        return EXIT_NOT_RUNNING;
    if (fd == -EAGAIN) {
        question.pid = find_master(path);
        complain_of_silence(&question);
    } else {
        complain(&question, strerror(-fd));
    }
    return EXIT_FAILED;
}

int client_ask_on(int fd, enum message_id ask, const struct client_events *events, void *owner,
                  uint64_t silence_ms) {
    struct question question = {.events = events, .owner = owner, .path = "", .peer_fd = -1};
    return talk(&question, fd, ask, json_object(), silence_ms);
}
