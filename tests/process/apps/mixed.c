/* SPDX-License-Identifier: MIT
 *
 * The app of tests/chaos: services of each protocol that tell who serves and send everything
 * back, with back-pressure, a count kept in a session, and a tick to every WebSocket client. It
 * asserts for itself that each on_connect gets its on_close. MIXED_FAULT names a fault that it
 * has now and then, which tests/chaos must find.
 */
#include <crewman.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef MIXED_VERSION
#define MIXED_VERSION 1
#endif

#define TICK_MS    500
#define BIG_BYTES  200000u
#define FAULT_EACH 100u

/* What it does at its start in place of succeeding. */
#ifndef MIXED_START
#define MIXED_START
#endif

/* Of all services of this process. */
static long open_connections;
static unsigned answers;

/* Is it time for this fault? */
static int is_due(const char *fault) {
    const char *chosen = getenv("MIXED_FAULT");
    return chosen && strcmp(chosen, fault) == 0 && answers % FAULT_EACH == 0;
}

static void *volatile leaked;

/* Faults that no client notices. */
static void do_harm(void) {
    if (is_due("descriptor"))
        (void)!open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (is_due("process") && fork() == 0) {
        setsid();
        execlp("sleep", "sleep", "600", (char *)NULL);
        _exit(1);
    }
    if (is_due("leak")) {
        leaked = malloc(100);
        leaked = NULL;
    }
    if (is_due("overflow")) {
        char *volatile small = malloc(10);
        volatile size_t size = 10;
        if (small)
            small[size] = 'x';
        free(small);
    }
    if (is_due("death"))
        abort();
}

static int broadcast(crew_conn *conn, void *frame) {
    crew_conn_send_frame(conn, frame);
    return 0;
}

static void tick(crew_timer timer, void *arg) {
    (void)timer;
    (void)arg;
    crew_frame *frame = crew_frame_new("tick", 4, CREW_MSG_BINARY);
    if (frame == NULL)
        return;
    crew_conn_each(broadcast, frame);
    crew_frame_unref(frame);
}

static int start_ticking(const struct crew_service_ref *service) {
    (void)service;
    MIXED_START;
    return crew_timer_add(TICK_MS, tick, NULL) != 0 ? 0 : -1;
}

static void count_in(crew_conn *conn) {
    (void)conn;
    open_connections++;
}

static void count_out(crew_conn *conn, int reason) {
    (void)conn;
    (void)reason;
    if (--open_connections < 0)
        crew_log(CREW_LOG_ERROR, "mixed: more ends than connections");
}

static int who(char *text, size_t size) {
    return snprintf(text, size, "%d %d %u", (int)getpid(), MIXED_VERSION,
                    crew_worker_generation());
}

static int answer(crew_conn *conn, const crew_msg *msg) {
    static const char big[BIG_BYTES];
    char text[64];

    if (msg->len == 3 && memcmp(msg->data, "who", 3) == 0) {
        crew_conn_authenticated(conn);
        return crew_conn_send_text(conn, text, (size_t)who(text, sizeof(text)));
    }
    if (msg->len == 3 && memcmp(msg->data, "big", 3) == 0)
        return crew_conn_send(conn, big, sizeof(big));
    if (is_due("twice"))
        crew_conn_send(conn, msg->data, msg->len);
    return crew_conn_send(conn, msg->data, msg->len);
}

static void on_message(crew_conn *conn, const crew_msg *msg) {
    answers++;
    do_harm();
    if (is_due("cut"))
        crew_conn_destroy(conn);
    else if (is_due("end"))
        crew_conn_close(conn);
    else if (!is_due("silence") && answer(conn, msg) == CREW_QUEUED)
        crew_conn_pause(conn);
}

static void on_buffer_drain(crew_conn *conn) {
    crew_conn_resume(conn);
}

/* One more than the last time. */
static void answer_count(crew_request *request) {
    const char *value = crew_session_get(request, "count");
    unsigned count = value ? (unsigned)strtoul(value, NULL, 10) + 1 : 1;
    char text[64];

    snprintf(text, sizeof(text), "%u", count);
    int error = crew_session_set(request, "count", text);
    int len = snprintf(text, sizeof(text), "%d %u", (int)getpid(), count);
    if (error >= 0)
        error = crew_reply(request, 200, "text/plain", text, (size_t)len);
    if (error < 0)
        crew_reply(request, 507, "text/plain", crew_strerror(error),
                   strlen(crew_strerror(error)));
}

static void on_request(crew_conn *conn, crew_request *request) {
    char text[256];
    size_t len;
    const char *body = crew_request_body(request, &len);

    (void)conn;
    answers++;
    do_harm();
    if (is_due("silence"))
        return;
    if (strcmp(crew_request_path(request), "/session") == 0) {
        answer_count(request);
    } else if (len > 0) {
        crew_reply(request, 200, "application/octet-stream", body, len);
    } else {
        int size = who(text, sizeof(text));
        size += snprintf(text + size, sizeof(text) - (size_t)size, " %.40s",
                         crew_request_target(request));
        crew_reply(request, 200, "text/plain", text, (size_t)size);
    }
}

CREW_APP(
    {
        .name = "chat",
        .listen = "websocket://127.0.0.1:2391",
        .on_worker_start = start_ticking,
        .on_connect = count_in,
        .on_message = on_message,
        .on_buffer_drain = on_buffer_drain,
        .on_close = count_out,
    },
    {
        .name = "pages",
        .listen = "http://127.0.0.1:2392",
        .on_connect = count_in,
        .on_request = on_request,
        .on_close = count_out,
    },
    {
        .name = "lines",
        .listen = "text://127.0.0.1:2393",
        .on_connect = count_in,
        .on_message = on_message,
        .on_buffer_drain = on_buffer_drain,
        .on_close = count_out,
    },
    {
        .name = "packets",
        .listen = "udp://127.0.0.1:2394",
        .on_message = on_message,
    })
