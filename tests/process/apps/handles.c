/* SPDX-License-Identifier: MIT
 *
 * An app with libuv handles of its own. "start KIND" starts one from inside on_message, and
 * "once more KIND" twice, the second time from inside its own callback; each callback is said
 * to the connection. $HANDLES names the kinds that on_worker_start starts, and those are
 * logged.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crewman.h"
#include "crewman/uv.h"

struct handle {
    union uv_any_handle uv;
    uv_work_t work;
    const struct kind *kind;
    crew_id asked_by;
    int left; /* calls to come */
};

struct kind {
    const char *name;
    void (*start)(struct handle *handle);
};

static void say(struct handle *handle) {
    crew_conn *conn = crew_conn_find(handle->asked_by);
    char text[64];
    snprintf(text, sizeof(text), "%s called", handle->kind->name);
    if (conn)
        crew_conn_send(conn, text, strlen(text));
    else
        crew_log(CREW_LOG_NOTICE, "handles: %s", text);
}

static void on_closed(uv_handle_t *uv) {
    struct handle *handle = uv->data;
    if (--handle->left > 0)
        handle->kind->start(handle);
    else
        free(handle);
}

static void end(void *uv) {
    struct handle *handle = ((uv_handle_t *)uv)->data;
    say(handle);
    uv_close(uv, on_closed);
}

static void on_timer(uv_timer_t *uv) {
    end(uv);
}

static void start_timer(struct handle *handle) {
    uv_timer_init(crew_worker_loop(), &handle->uv.timer);
    uv_timer_start(&handle->uv.timer, on_timer, 1, 0);
}

static void on_idle(uv_idle_t *uv) {
    end(uv);
}

static void start_idle(struct handle *handle) {
    uv_idle_init(crew_worker_loop(), &handle->uv.idle);
    uv_idle_start(&handle->uv.idle, on_idle);
}

static void on_prepare(uv_prepare_t *uv) {
    end(uv);
}

static void start_prepare(struct handle *handle) {
    uv_prepare_init(crew_worker_loop(), &handle->uv.prepare);
    uv_prepare_start(&handle->uv.prepare, on_prepare);
}

static void on_check(uv_check_t *uv) {
    end(uv);
}

static void start_check(struct handle *handle) {
    uv_check_init(crew_worker_loop(), &handle->uv.check);
    uv_check_start(&handle->uv.check, on_check);
}

static void on_poll(uv_poll_t *uv, int status, int events) {
    (void)status;
    (void)events;
    end(uv);
}

/* Standard error can always be written to here, or is a file, which epoll refuses: a pipe. */
static void start_poll(struct handle *handle) {
    static int ends[2];
    if (ends[1] == 0 && uv_pipe(ends, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE) != 0)
        abort();
    uv_poll_init(crew_worker_loop(), &handle->uv.poll, ends[1]);
    uv_poll_start(&handle->uv.poll, UV_WRITABLE, on_poll);
}

static void on_async(uv_async_t *uv) {
    end(uv);
}

static void send_async(void *uv) {
    uv_async_send(uv);
}

static void start_async(struct handle *handle) {
    uv_thread_t thread;
    uv_async_init(crew_worker_loop(), &handle->uv.async, on_async);
    uv_thread_create(&thread, send_async, &handle->uv.async);
    uv_thread_join(&thread);
}

static void do_work(uv_work_t *work) {
    (void)work;
}

static void on_work(uv_work_t *work, int status) {
    struct handle *handle = work->data;
    (void)status;
    say(handle);
    if (--handle->left > 0)
        handle->kind->start(handle);
    else
        free(handle);
}

static void start_work(struct handle *handle) {
    handle->work.data = handle;
    uv_queue_work(crew_worker_loop(), &handle->work, do_work, on_work);
}

/* Whoever only waits, for ever, and must cost no turn. */
static void on_never(uv_prepare_t *uv) {
    (void)uv;
}

static void start_quiet(struct handle *handle) {
    uv_prepare_init(crew_worker_loop(), &handle->uv.prepare);
    uv_prepare_start(&handle->uv.prepare, on_never);
    say(handle);
}

static const struct kind kinds[] = {
    {"timer", start_timer}, {"idle", start_idle},   {"prepare", start_prepare},
    {"check", start_check}, {"poll", start_poll},   {"async", start_async},
    {"work", start_work},   {"quiet", start_quiet},
};

static void start(const char *name, crew_id asked_by, int times) {
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i].name, name) != 0)
            continue;
        struct handle *handle = calloc(1, sizeof(*handle));
        if (!handle)
            abort();
        handle->kind = &kinds[i];
        handle->asked_by = asked_by;
        handle->left = times;
        handle->uv.handle.data = handle;
        kinds[i].start(handle);
    }
}

static int on_worker_start(const struct crew_service_ref *service) {
    (void)service;
    char names[128];
    snprintf(names, sizeof(names), "%s", getenv("HANDLES") ? getenv("HANDLES") : "");
    for (char *rest = names, *name; (name = strsep(&rest, " "));)
        start(name, 0, 2);
    return 0;
}

static void on_message(crew_conn *conn, const crew_msg *msg) {
    char text[64], kind[16];
    snprintf(text, sizeof(text), "%.*s", (int)msg->len, (const char *)msg->data);
    if (sscanf(text, "start %15[a-z]", kind) == 1)
        start(kind, crew_conn_id(conn), 1);
    else if (sscanf(text, "once more %15[a-z]", kind) == 1)
        start(kind, crew_conn_id(conn), 2);
    else
        crew_conn_send(conn, text, strlen(text));
}

CREW_APP({.name = "handles",
          .listen = "text://127.0.0.1:2398",
          .on_worker_start = on_worker_start,
          .on_message = on_message})
