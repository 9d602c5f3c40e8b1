/* SPDX-License-Identifier: MIT
 *
 * See log_pipe.h. A line that begins with "<N>" is one of the child's logger, N its syslog
 * number, as in sd-daemon(3); any other was printed.
 */
#include "log_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "memory.h"

#define PIPE_BYTES   (256 * 1024)
#define READ_BYTES   (8u * 1024u)
#define LINE_BYTES   4096u
#define LINE_COST    128u            /* a line costs the loop as much as so many bytes */
#define BUDGET_BYTES (1024u * 1024u) /* a second, each line with its cost */
#define DRAIN_BYTES  (4u * BUDGET_BYTES)
#define WINDOW_MS    1000u
#define SAY_MS       10000u
#define LEFT_MAX     32u
#define GOES_ON      "… "

struct log_pipe {
    struct log_pipes *pipes;
    struct list in_left;
    uv_poll_t poll;
    uv_timer_t rest; /* until the budget is there again */
    int handles;     /* to be closed before it is freed */
    int fd;
    pid_t pid;
    char label[96];
    bool has_ended; /* the child */
    bool is_at_end; /* nobody can write any more */
    bool goes_on;   /* what comes belongs to a line that was cut */
    size_t len;
    char line[sizeof(GOES_ON) + LINE_BYTES];
    uint64_t window_ms, taken, said_ms;
};

void log_pipes_init(struct log_pipes *pipes, uv_loop_t *loop) {
    pipes->loop = loop;
    pipes->count = 0;
    list_init(&pipes->left);
}

static void on_closed(uv_handle_t *handle) {
    struct log_pipe *pipe = handle->data;
    if (--pipe->handles == 0)
        free(pipe);
}

static void destroy(struct log_pipe *pipe) {
    if (pipe->has_ended && !list_is_empty(&pipe->in_left))
        pipe->pipes->count--;
    list_remove(&pipe->in_left);
    uv_poll_stop(&pipe->poll);
    close(pipe->fd);
    uv_close((uv_handle_t *)&pipe->poll, on_closed);
    uv_close((uv_handle_t *)&pipe->rest, on_closed);
}

static enum crew_log_level level_of(int number) {
    static const enum crew_log_level levels[] = {
        CREW_LOG_ERROR,   CREW_LOG_ERROR,  CREW_LOG_ERROR, CREW_LOG_ERROR,
        CREW_LOG_WARNING, CREW_LOG_NOTICE, CREW_LOG_INFO,  CREW_LOG_DEBUG};
    return levels[number];
}

static bool is_of_logger(const char *line) {
    return line[0] == '<' && line[1] >= '0' && line[1] <= '7' && line[2] == '>';
}

/* What is printed says no level: crash texts must show at any. */
static void put_line(struct log_pipe *pipe) {
    enum crew_log_level level = CREW_LOG_NOTICE;
    const char *text = pipe->line;
    pipe->line[pipe->len] = '\0';
    if (is_of_logger(text)) {
        level = level_of(text[1] - '0');
        text += 3;
    }
    log_relay(level, pipe->label, pipe->pid, text);
    pipe->len = 0;
    pipe->taken += LINE_COST;
}

/* No character is cut: its first bytes go into the next line. */
static size_t whole_characters(const char *line, size_t len) {
    size_t at = len;
    while (at > 0 && len - at < 3 && ((unsigned char)line[at - 1] & 0xc0) == 0x80)
        at--;
    return at > 0 && (unsigned char)line[at - 1] >= 0xc0 ? at - 1 : len;
}

static void put_cut(struct log_pipe *pipe) {
    char rest[4];
    size_t whole = whole_characters(pipe->line, pipe->len), over = pipe->len - whole;
    memcpy(rest, pipe->line + whole, over);
    pipe->len = whole;
    put_line(pipe);
    pipe->len = sizeof(GOES_ON) - 1;
    memcpy(pipe->line, GOES_ON, pipe->len);
    memcpy(pipe->line + pipe->len, rest, over);
    pipe->len += over;
    pipe->goes_on = true;
}

static void take_byte(struct log_pipe *pipe, char byte) {
    if (byte == '\n') {
        put_line(pipe);
        pipe->goes_on = false;
        return;
    }
    pipe->line[pipe->len++] = byte ? byte : '?';
    if (pipe->len >= LINE_BYTES)
        put_cut(pipe);
}

/* Answers false when it is empty, or over. */
static bool take_some(struct log_pipe *pipe) {
    char bytes[READ_BYTES];
    ssize_t got = read(pipe->fd, bytes, sizeof(bytes));
    pipe->taken += got > 0 ? (size_t)got : 0;
    for (ssize_t i = 0; i < got; i++)
        take_byte(pipe, bytes[i]);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        pipe->is_at_end = true;
    return got > 0;
}

static void put_rest(struct log_pipe *pipe) {
    if (pipe->len > (pipe->goes_on ? sizeof(GOES_ON) - 1 : 0))
        put_line(pipe);
    pipe->len = 0;
    pipe->goes_on = false;
}

static void on_readable(uv_poll_t *poll, int status, int events);

static void watch(struct log_pipe *pipe) {
    uv_poll_start(&pipe->poll, UV_READABLE | UV_DISCONNECT, on_readable);
}

static void on_rested(uv_timer_t *timer) {
    watch(timer->data);
}

static void say_too_much(struct log_pipe *pipe, uint64_t now) {
    if (pipe->said_ms != 0 && now - pipe->said_ms < SAY_MS)
        return;
    pipe->said_ms = now;
    log_warning(
        "%s: pid %d prints more than the log takes in a second: the rest waits or is lost",
        pipe->label, (int)pipe->pid);
}

static void hold(struct log_pipe *pipe, uint64_t now) {
    say_too_much(pipe, now);
    uv_poll_stop(&pipe->poll);
    uv_timer_start(&pipe->rest, on_rested, pipe->window_ms + WINDOW_MS - now, 0);
}

static void on_readable(uv_poll_t *poll, int status, int events) {
    struct log_pipe *pipe = poll->data;
    uint64_t now = uv_now(pipe->pipes->loop);
    (void)status;
    (void)events;
    if (now - pipe->window_ms >= WINDOW_MS) {
        pipe->window_ms = now;
        pipe->taken = 0;
    }
    (void)take_some(pipe);
    if (pipe->is_at_end && pipe->has_ended) {
        put_rest(pipe);
        destroy(pipe);
    } else if (pipe->is_at_end) {
        uv_poll_stop(&pipe->poll);
    } else if (pipe->taken >= BUDGET_BYTES) {
        hold(pipe, now);
    }
}

static int make(int ends[2]) {
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -errno;
    (void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES); /* another size is as good */
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    return 0;
}

int log_pipe_open(struct log_pipes *pipes, const char *label, struct log_pipe **out_pipe,
                  int *out_end) {
    int ends[2];
    int err = make(ends);
    if (err)
        return err;
    struct log_pipe *pipe = memory_new(sizeof(*pipe));
    pipe->pipes = pipes;
    pipe->fd = ends[0];
    pipe->handles = 2;
    list_init(&pipe->in_left);
    snprintf(pipe->label, sizeof(pipe->label), "%s", label);
    uv_timer_init(pipes->loop, &pipe->rest);
    uv_poll_init(pipes->loop, &pipe->poll, pipe->fd);
    pipe->poll.data = pipe->rest.data = pipe;
    watch(pipe);
    *out_pipe = pipe;
    *out_end = ends[1];
    return 0;
}

void log_pipe_set_pid(struct log_pipe *pipe, pid_t pid) {
    pipe->pid = pid;
}

/* About what fits into the pipe: who holds it may write for ever. */
static void drain(struct log_pipe *pipe) {
    size_t bytes = 0;
    pipe->taken = 0;
    while (bytes <= PIPE_BYTES && pipe->taken < DRAIN_BYTES && take_some(pipe))
        bytes += READ_BYTES;
    put_rest(pipe);
}

static void drop_oldest(struct log_pipes *pipes) {
    struct log_pipe *oldest = list_entry(pipes->left.next, struct log_pipe, in_left);
    log_debug("%s: nothing more is read of the programs of pid %d", oldest->label,
              (int)oldest->pid);
    destroy(oldest);
}

void log_pipe_end(struct log_pipe *pipe) {
    struct log_pipes *pipes = pipe->pipes;
    pipe->has_ended = true;
    drain(pipe);
    if (pipe->is_at_end) {
        destroy(pipe);
        return;
    }
    if (pipes->count == LEFT_MAX)
        drop_oldest(pipes);
    list_append(&pipes->left, &pipe->in_left);
    pipes->count++;
}

void log_pipes_close(struct log_pipes *pipes) {
    struct list *node, *after;
    list_each_safe (node, after, &pipes->left) {
        struct log_pipe *pipe = list_entry(node, struct log_pipe, in_left);
        drain(pipe);
        destroy(pipe);
    }
}
