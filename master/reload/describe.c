/* SPDX-License-Identifier: MIT
 *
 * See describe.h.
 */
#include "describe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "countdown.h"
#include "memory.h"
#include "printable.h"
#include "process.h"

#define DEADLINE_MS 10000u
#define OUTPUT_MAX  (1024u * 1024u)
#define ERRORS_MAX  4096u
#define PIN_FD      3 /* of its descriptors: where it copies the app to */

/* What comes out of one of its descriptors. */
struct output {
    uv_pipe_t pipe;
    struct describe *describe;
    char *data;
    size_t len, max;
};

struct describe {
    struct spawned process;
    struct countdown deadline;
    struct output out, err;
    char *app;
    describe_callback callback;
    void *owner;
    int open;    /* handles */
    int running; /* process and both outputs: all must be over before it is judged */
    int status, signal;
    bool is_late, has_ended;
};

static void on_closed(uv_handle_t *handle) {
    struct describe *describe = handle->data;
    if (--describe->open > 0)
        return;
    free(describe->out.data);
    free(describe->err.data);
    free(describe->app);
    free(describe);
}

static void close_handle(struct describe *describe, void *handle) {
    uv_handle_t *it = handle;
    if (uv_is_closing(it))
        return;
    it->data = describe;
    uv_close(it, on_closed);
}

static void close_all(struct describe *describe) {
    close_handle(describe, &describe->deadline.timer);
    close_handle(describe, &describe->out.pipe);
    close_handle(describe, &describe->err.pipe);
}

/* The first line of its answer, which on standard error may stand behind what the app printed;
 * without one the first that was printed, or how it ended. Texts of the app. */
static char *explain(const struct describe *describe) {
    const char *said = describe->out.len > 0 ? describe->out.data : describe->err.data;
    size_t len = strcspn(said, "\n");
    if (describe->is_late)
        return memory_format("%s: it did not say what it declares within %u s", describe->app,
                             DEADLINE_MS / 1000);
    if (describe->signal)
        return memory_format("%s: crashed while it was loaded: %s", describe->app,
                             process_signal_name(describe->signal));
    if (len > 0)
        return memory_format("%.*s", (int)len, said);
    return memory_format("%s: crewman-worker --describe exited with code %d", describe->app,
                         describe->status);
}

static void judge(struct describe *describe) {
    json_t *description = NULL;
    char *why = NULL;
    json_error_t error;
    if (describe->status == 0 && describe->signal == 0 && !describe->is_late) {
        description = json_loadb(describe->out.data, describe->out.len, 0, &error);
        if (!description)
            why =
                memory_format("%s: its description is no JSON: %s", describe->app, error.text);
    } else {
        why = explain(describe);
    }
    if (why)
        printable_make(why, '?');
    describe_callback callback = describe->callback;
    void *owner = describe->owner;
    close_all(describe);
    callback(owner, description, why);
    free(why);
}

/* When it is late nothing more is awaited but its end: a process that the app started may hold
 * the outputs open for ever. */
static void one_over(struct describe *describe) {
    bool is_over = --describe->running == 0 || (describe->is_late && describe->has_ended);
    if (is_over && describe->callback)
        judge(describe);
}

static void on_ended(struct spawned *process, int status, int signal) {
    struct describe *describe = list_entry(process, struct describe, process);
    describe->status = status;
    describe->signal = signal;
    describe->has_ended = true;
    one_over(describe);
}

/* What is printed beyond the bound is read all the same: a pipe that is full would hold the app
 * up. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out_buf) {
    static char rest[65536];
    struct output *output = (struct output *)handle;
    (void)suggested;
    if (output == &output->describe->err && output->len == output->max)
        *out_buf = uv_buf_init(rest, sizeof(rest));
    else
        *out_buf =
            uv_buf_init(output->data + output->len, (unsigned)(output->max - output->len));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf) {
    struct output *output = (struct output *)stream;
    if (got > 0) {
        if (buf->base != output->data + output->len)
            return;
        output->len += (size_t)got;
        output->data[output->len] = '\0';
        return;
    }
    if (got == 0)
        return;
    uv_read_stop(stream); /* the end, or UV_ENOBUFS: it said too much */
    one_over(output->describe);
}

static void on_late(struct countdown *deadline) {
    struct describe *describe = deadline->owner;
    describe->is_late = true;
    if (describe->has_ended)
        judge(describe);
    else
        spawner_kill(&describe->process, SIGKILL);
}

/* *out_end is what the process writes to. */
static int open_output(struct describe *describe, uv_loop_t *loop, struct output *output,
                       size_t max, int *out_end) {
    int ends[2];
    uv_pipe_init(loop, &output->pipe, 0);
    output->describe = describe;
    output->max = max;
    output->data = memory_new(max + 1);
    describe->open++;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -errno;
    *out_end = ends[1];
    int err = uv_pipe_open(&output->pipe, ends[0]);
    if (err)
        close(ends[0]);
    return err;
}

static int spawn(struct describe *describe, struct spawner *spawner,
                 const struct program *worker, const struct config *config, const int *fds) {
    const char *user, *group;
    config_describing_user(config, &user, &group);
    const char *const options_of[][2] = {{"--user", user},
                                         {"--group", group},
                                         {"--runtimes", config->runtimes},
                                         {"--pin", fds[PIN_FD] < 0 ? "" : "3"}};
    char *arguments[12] = {worker->path, "--describe"};
    int count = 2;
    for (size_t i = 0; i < sizeof(options_of) / sizeof(options_of[0]); i++) {
        if (options_of[i][1][0]) {
            arguments[count++] = (char *)(uintptr_t)options_of[i][0];
            arguments[count++] = (char *)(uintptr_t)options_of[i][1];
        }
    }
    arguments[count] = describe->app;
    struct spawn_spec process = {.program = program_file(worker, config->pin),
                                 .arguments = arguments,
                                 .fds = fds,
                                 .count = fds[PIN_FD] < 0 ? PIN_FD : PIN_FD + 1};
    describe->process.ended = on_ended;
    return spawner_start(spawner, &describe->process, &process);
}

/* Its outputs, and the process that writes to them. */
static int open_all(struct describe *describe, struct spawner *spawner,
                    const struct program *worker, int pin_fd, const struct config *config) {
    int fds[PIN_FD + 1] = {-1, -1, -1, [PIN_FD] = pin_fd};
    int err = open_output(describe, spawner->loop, &describe->out, OUTPUT_MAX, &fds[1]);
    int other = open_output(describe, spawner->loop, &describe->err, ERRORS_MAX, &fds[2]);
    if (!err)
        err = other;
    if (!err)
        err = spawn(describe, spawner, worker, config, fds);
    for (int i = 1; i < PIN_FD; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return err;
}

struct describe *describe_start(struct spawner *spawner, const struct program *worker,
                                const char *app, int pin_fd, const struct config *config,
                                describe_callback callback, void *owner, char *out_why,
                                size_t size) {
    struct describe *describe = memory_new(sizeof(*describe));
    describe->app = memory_copy_text(app);
    describe->callback = callback;
    describe->owner = owner;
    describe->running = 3;
    countdown_init(&describe->deadline, spawner->loop, describe);
    describe->open = 1;
    int err = open_all(describe, spawner, worker, pin_fd, config);
    if (err) {
        snprintf(out_why, size, "cannot start %s: %s", worker->path, uv_strerror(err));
        close_all(describe);
        return NULL;
    }
    countdown_start(&describe->deadline, DEADLINE_MS, on_late);
    uv_read_start((uv_stream_t *)&describe->out.pipe, on_alloc, on_read);
    uv_read_start((uv_stream_t *)&describe->err.pipe, on_alloc, on_read);
    return describe;
}

void describe_cancel(struct describe *describe) {
    describe->callback = NULL;
    spawner_kill(&describe->process, SIGKILL);
    spawner_forget(&describe->process);
    close_all(describe);
}
