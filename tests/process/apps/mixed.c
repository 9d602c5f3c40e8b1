/* SPDX-License-Identifier: MIT
 *
 * The app of tests/chaos: services of each protocol that tell who serves and send everything
 * back, with back-pressure, and a tick to every WebSocket client. It asserts for itself that
 * each on_connect gets its on_close.
 */
#include <crewman.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef MIXED_VERSION
#define MIXED_VERSION 1
#endif

#define TICK_MS   500
#define BIG_BYTES 200000u

/* Of all services of this process. */
static long open_connections;

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

static void on_message(crew_conn *conn, const crew_msg *msg) {
    static const char big[BIG_BYTES];
    char text[64];
    int answer;

    if (msg->len == 3 && memcmp(msg->data, "who", 3) == 0)
        answer = crew_conn_send_text(conn, text, (size_t)who(text, sizeof(text)));
    else if (msg->len == 3 && memcmp(msg->data, "big", 3) == 0)
        answer = crew_conn_send(conn, big, sizeof(big));
    else
        answer = crew_conn_send(conn, msg->data, msg->len);
    if (answer == CREW_QUEUED)
        crew_conn_pause(conn);
}

static void on_buffer_drain(crew_conn *conn) {
    crew_conn_resume(conn);
}

static void on_request(crew_conn *conn, crew_request *request) {
    char text[64];
    size_t len;
    const char *body = crew_request_body(request, &len);

    (void)conn;
    if (len > 0)
        crew_reply(request, 200, "application/octet-stream", body, len);
    else
        crew_reply(request, 200, "text/plain", text, (size_t)who(text, sizeof(text)));
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
