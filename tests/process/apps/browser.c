/* SPDX-License-Identifier: MIT
 *
 * What the page of the browser tests (tests/process/pages) talks to: a WebSocket that sends
 * everything back, pages that show keep-alive, streaming and Server-Sent Events, and /report,
 * where the page says what it saw. The tests with nginx in front use it too.
 */
#include <crewman.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The streamed answer that waits for /go. One page, one worker: there is but one. */
static uint64_t streaming;

static int reply_text(crew_request *request, const char *text) {
    return crew_reply(request, 200, "text/plain", text, strlen(text));
}

/* How many requests this connection has had. */
static void answer_count(crew_conn *conn, crew_request *request) {
    char text[24];
    unsigned *count = crew_conn_data(conn);
    if (!count) {
        count = calloc(1, sizeof(*count));
        if (!count)
            return;
        crew_conn_set_data(conn, count, free);
    }
    snprintf(text, sizeof(text), "%u", ++*count);
    reply_text(request, text);
}

static void answer_stream(crew_request *request) {
    streaming = crew_request_id(request);
    crew_reply_begin(request, 200, "text/plain");
    crew_reply_write(request, "one", 3);
}

/* The page asks for the rest of the stream once it has seen its beginning. */
static void answer_go(crew_request *request) {
    crew_request *other = crew_request_find(streaming);
    if (other) {
        crew_reply_write(other, "two", 3);
        crew_reply_end(other);
    }
    reply_text(request, other ? "went" : "gone");
}

/* One event, numbered after the last that the browser has seen, and the end. */
static void answer_events(crew_request *request) {
    char id[24], data[64];
    const char *last = crew_request_header(request, "last-event-id");
    snprintf(id, sizeof(id), "%ld", (last ? strtol(last, NULL, 10) : 0) + 1);
    snprintf(data, sizeof(data), "after %s\nsecond line", last ? last : "none");
    struct crew_sse event = {.event = "count", .id = id, .data = data, .retry_ms = 20};
    crew_reply_begin(request, 200, "text/event-stream");
    crew_reply_sse(request, &event);
    crew_reply_end(request);
}

static void answer_report(crew_request *request) {
    size_t len;
    const char *body = crew_request_body(request, &len);
    crew_log(CREW_LOG_NOTICE, "report: %.*s", (int)len, body);
    reply_text(request, "noted");
}

static void answer_body(crew_request *request) {
    size_t len;
    const char *body = crew_request_body(request, &len);
    const char *cookie = crew_request_cookie(request, "seen");
    struct crew_cookie seen = {.name = "seen", .value = "yes", .path = "/"};
    crew_reply_cookie(request, &seen);
    crew_reply_header(request, "X-Cookie", cookie ? cookie : "none");
    crew_reply(request, 200, "application/octet-stream", body, len);
}

static void answer_who(crew_conn *conn, crew_request *request) {
    struct crew_addr peer;
    crew_conn_peer(conn, &peer);
    reply_text(request, peer.text);
}

static void on_request(crew_conn *conn, crew_request *request) {
    const char *path = crew_request_path(request);
    if (strcmp(path, "/count") == 0)
        answer_count(conn, request);
    else if (strcmp(path, "/stream") == 0)
        answer_stream(request);
    else if (strcmp(path, "/go") == 0)
        answer_go(request);
    else if (strcmp(path, "/events") == 0)
        answer_events(request);
    else if (strcmp(path, "/report") == 0)
        answer_report(request);
    else if (strcmp(path, "/who") == 0)
        answer_who(conn, request);
    else if (strcmp(path, "/body") == 0)
        answer_body(request);
    else
        crew_reply(request, 404, NULL, "", 0);
}

static int on_handshake(crew_conn *conn, crew_request *request) {
    (void)conn;
    if (strcmp(crew_request_path(request), "/refused") == 0)
        return 403;
    crew_handshake_protocol(request, "chat");
    return 0;
}

static void on_message(crew_conn *conn, const crew_msg *msg) {
    struct crew_addr peer;
    if (msg->len == 6 && memcmp(msg->data, "leave!", 6) == 0) {
        crew_conn_close_with(conn, 4001, "as you wish");
        return;
    }
    if (msg->len == 4 && memcmp(msg->data, "who?", 4) == 0) {
        crew_conn_peer(conn, &peer);
        crew_conn_send_text(conn, peer.text, strlen(peer.text));
        return;
    }
    crew_conn_send(conn, msg->data, msg->len);
}

static void on_pong(crew_conn *conn, const crew_msg *payload) {
    (void)conn;
    (void)payload;
    crew_log(CREW_LOG_NOTICE, "pong");
}

static void on_close(crew_conn *conn, int reason) {
    int code = crew_conn_close_code(conn);
    if (code)
        crew_log(CREW_LOG_NOTICE, "close %s %d", crew_close_reason_name(reason), code);
}

CREW_APP({
    .name = "probe",
    .on_request = on_request,
    .on_handshake = on_handshake,
    .on_message = on_message,
    .on_pong = on_pong,
    .on_close = on_close,
})
