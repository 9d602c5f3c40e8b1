/* SPDX-License-Identifier: MIT
 *
 * The app of the HTTP and handshake tests: the path of a request names what it does, and what
 * cannot be seen from outside goes to the log. Built once more with WEB_ON_BODY, which takes
 * bodies in pieces.
 */
#include <crewman.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE 16384u

/* An answer in pieces that is under way. */
struct flow {
    size_t left;
    size_t received;
};

static void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void note(const char *format, ...) {
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    crew_log(CREW_LOG_NOTICE, "web: %s", line);
}

static size_t number(crew_request *request, const char *name, size_t otherwise) {
    const char *text = crew_request_query(request, name);
    return text ? (size_t)strtoul(text, NULL, 10) : otherwise;
}

static struct flow *flow_of(crew_conn *conn) {
    struct flow *flow = crew_conn_data(conn);
    if (!flow) {
        flow = calloc(1, sizeof(*flow));
        crew_conn_set_data(conn, flow, free);
    }
    return flow;
}

static int reply_text(crew_request *request, int status, const char *text) {
    return crew_reply(request, status, "text/plain", text, strlen(text));
}

static void reply_echo(crew_request *request) {
    char head[1024];
    size_t len;
    const char *body = crew_request_body(request, &len);
    const char *form = crew_request_form(request, "a");
    const char *cookie = crew_request_cookie(request, "c");
    const char *query = crew_request_query(request, "q");
    snprintf(head, sizeof(head), "%s|%s|%s|%s|q=%s|a=%s|c=%s|%zu|%.*s",
             crew_request_method(request), crew_request_target(request),
             crew_request_path(request), crew_request_host(request), query ? query : "-",
             form ? form : "-", cookie ? cookie : "-", len, len > 64 ? 64 : (int)len, body);
    reply_text(request, 200, head);
}

static void reply_big(crew_request *request, size_t size) {
    char *body = malloc(size + 1);
    if (!body)
        return;
    for (size_t i = 0; i < size; i++)
        body[i] = (char)('a' + i % 26);
    int result = crew_reply(request, 200, "application/octet-stream", body, size);
    if (result < 0)
        note("big: %d", result);
    free(body);
}

static void answer_late(crew_timer timer, void *arg) {
    (void)timer;
    crew_request *request = crew_request_find((uintptr_t)arg);
    if (request)
        reply_echo(request);
    else
        note("late: gone");
}

static void end_later(crew_timer timer, void *arg) {
    (void)timer;
    crew_request *request = crew_request_find((uintptr_t)arg);
    if (request) {
        crew_reply_write(request, "second", 6);
        crew_reply_end(request);
    }
    note("hold: %s", request ? "ended" : "gone");
}

static void later(crew_request *request, size_t ms, void (*tick)(crew_timer, void *)) {
    crew_timer_add_once(ms, tick, (void *)(uintptr_t)crew_request_id(request));
}

/* Write until it is enough or the peer does not keep up. */
static void pump(crew_conn *conn) {
    static char piece[PIECE];
    struct flow *flow = flow_of(conn);
    crew_request *request = crew_conn_request(conn);
    memset(piece, 'p', sizeof(piece));
    while (flow->left > 0) {
        size_t size = flow->left < PIECE ? flow->left : PIECE;
        int result = crew_reply_write(request, piece, size);
        if (result < 0) {
            note("pump: %d", result);
            return;
        }
        flow->left -= size;
        if (result == CREW_QUEUED)
            return;
    }
    note("pump: end %d", crew_reply_end(request));
}

static void reply_events(crew_request *request) {
    struct crew_sse first = {
        .event = "greeting", .id = "1", .data = "two\nlines", .retry_ms = 500};
    struct crew_sse second = {.data = "bye", .comment = "last", .retry_ms = -1};
    struct crew_sse evil = {.event = "a\nb", .data = "x", .retry_ms = -1};
    crew_reply_begin(request, 200, "text/event-stream");
    crew_reply_sse(request, &first);
    note("evil event: %s", crew_strerror(crew_reply_sse(request, &evil)));
    crew_reply_sse(request, &second);
    crew_reply_end(request);
}

/* Everything that would break out of its field; the answers are the answer. */
static void reply_injected(crew_request *request) {
    struct crew_cookie cookie = {.name = "a", .value = "b\r\nX-Evil: 1"};
    struct crew_cookie path = {.name = "a", .value = "b", .path = "/;x\r\nX-Evil: 1"};
    char text[256];
    int results[] = {crew_reply_header(request, "X-A", "b\r\nX-Evil: 1"),
                     crew_reply_header(request, "X-A\r\nX-Evil", "1"),
                     crew_reply_header(request, "X-A", "b\nX-Evil: 1"),
                     crew_reply_header(request, "X A", "b"),
                     crew_reply_header(request, "", "b"),
                     crew_reply_header(request, "Content-Length", "5"),
                     crew_reply_header(request, "transfer-encoding", "chunked"),
                     crew_reply_header(request, "Connection", "close"),
                     crew_reply_cookie(request, &cookie),
                     crew_reply_cookie(request, &path),
                     crew_reply_redirect(request, 302, "/\r\nX-Evil: 1"),
                     crew_reply(request, 200, "text/plain\r\nX-Evil: 1", "", 0),
                     crew_reply(request, 99, NULL, "", 0),
                     crew_reply(request, 101, NULL, "", 0),
                     crew_reply(request, 600, NULL, "", 0),
                     crew_reply_begin(request, 200, "a\r\nX-Evil: 1"),
                     crew_reply_begin(request, 204, NULL)};
    size_t refused = 0, count = sizeof(results) / sizeof(results[0]);
    for (size_t i = 0; i < count; i++)
        if (results[i] == CREW_EINVAL)
            refused++;
        else
            note("injected %zu: %d", i, results[i]);
    snprintf(text, sizeof(text), "%zu of %zu", refused, count);
    reply_text(request, 200, text);
}

static void reply_cookies(crew_request *request) {
    struct crew_cookie all = {.name = "sid",
                              .value = "xy",
                              .path = "/p",
                              .domain = "example.com",
                              .max_age = 60,
                              .is_secure = 1,
                              .is_http_only = 1,
                              .same_site = CREW_SAME_SITE_STRICT};
    struct crew_cookie gone = {.name = "old", .value = "", .max_age = -1};
    int first = crew_reply_cookie(request, &all);
    int second = crew_reply_cookie(request, &gone);
    note("cookies: %d %d", first, second);
    reply_text(request, 200, "cookies");
}

static void reply_twice(crew_request *request) {
    reply_text(request, 200, "once");
    int second = reply_text(request, 200, "twice");
    int header = crew_reply_header(request, "X-Late", "1");
    note("twice: %d %d %d", second == CREW_ESTATE, header == CREW_ESTATE,
         crew_reply_write(request, "x", 1) == CREW_ESTATE);
}

static void begin_hold(crew_request *request) {
    crew_reply_begin(request, 200, "text/plain");
    crew_reply_write(request, "first", 5);
    later(request, number(request, "ms", 300), end_later);
}

static void begin_flow(crew_conn *conn, crew_request *request) {
    flow_of(conn)->left = number(request, "size", 100000);
    crew_reply_begin(request, 200, "application/octet-stream");
    pump(conn);
}

static void reply_rest(crew_conn *conn, crew_request *request, const char *path) {
    char text[64];
    if (strcmp(path, "/status") == 0) {
        reply_text(request, (int)number(request, "code", 200), "status");
    } else if (strcmp(path, "/send") == 0) {
        crew_conn_send(conn, "sent", 4);
    } else if (strcmp(path, "/redirect") == 0) {
        crew_reply_redirect(request, (int)number(request, "code", 0), "/there");
    } else if (strcmp(path, "/worker") == 0) {
        snprintf(text, sizeof(text), "%d %u", (int)getpid(), crew_worker_generation());
        reply_text(request, 200, text);
    } else if (strcmp(path, "/close") == 0) {
        crew_conn_close(conn);
    } else if (strcmp(path, "/field") == 0) {
        const char *value = crew_request_header(request, "x-field");
        crew_reply_header(request, "X-Field", value ? value : "none");
        reply_text(request, 200, "field");
    } else if (strcmp(path, "/never") != 0) {
        reply_text(request, 404, "no such page");
    }
}

static void answer(crew_conn *conn, crew_request *request) {
    const char *path = crew_request_path(request);
    if (strcmp(path, "/hello") == 0) {
        reply_text(request, 200, "hello");
    } else if (strncmp(path, "/echo", 5) == 0) {
        reply_echo(request);
    } else if (strcmp(path, "/late") == 0) {
        later(request, number(request, "ms", 50), answer_late);
    } else if (strcmp(path, "/stream") == 0) {
        begin_flow(conn, request);
    } else if (strcmp(path, "/hold") == 0) {
        begin_hold(request);
    } else if (strcmp(path, "/big") == 0) {
        reply_big(request, number(request, "size", 100000));
    } else if (strcmp(path, "/bigclose") == 0) {
        reply_big(request, number(request, "size", 100000));
        crew_conn_close(conn);
    } else if (strcmp(path, "/events") == 0) {
        reply_events(request);
    } else if (strcmp(path, "/inject") == 0) {
        reply_injected(request);
    } else if (strcmp(path, "/cookies") == 0) {
        reply_cookies(request);
    } else if (strcmp(path, "/twice") == 0) {
        reply_twice(request);
    } else {
        reply_rest(conn, request, path);
    }
}

#ifdef WEB_ON_BODY
static void on_request(crew_conn *conn, crew_request *request) {
    flow_of(conn)->received = 0;
    if (strcmp(crew_request_path(request), "/deny") == 0)
        reply_text(request, 403, "denied");
    else if (strcmp(crew_request_path(request), "/upload") != 0)
        answer(conn, request);
}

#define BODY_CALLBACK on_body
static void on_body(crew_conn *conn, crew_request *request, const char *data, size_t len,
                    int is_last) {
    char text[64];
    (void)data;
    struct flow *flow = flow_of(conn);
    flow->received += len;
    if (!is_last) {
        note("piece");
        return;
    }
    snprintf(text, sizeof(text), "%zu bytes", flow->received);
    reply_text(request, 200, text);
}
#else
#define BODY_CALLBACK NULL
static void on_request(crew_conn *conn, crew_request *request) {
    note("request %s %s", crew_request_method(request), crew_request_target(request));
    answer(conn, request);
}
#endif

static int on_handshake(crew_conn *conn, crew_request *request) {
    const char *path = crew_request_path(request);
    if (strcmp(path, "/refuse") == 0)
        return (int)number(request, "code", 401);
    if (strcmp(path, "/answer") == 0)
        note("answer: %s", crew_strerror(reply_text(request, 200, "an answer of its own")));
    if (strcmp(path, "/early") == 0)
        note("early: %d", crew_conn_send(conn, "early", 5));
    if (strcmp(path, "/close") == 0)
        crew_conn_close(conn);
    if (strcmp(path, "/inject") == 0)
        note("inject: %d %d",
             crew_reply_header(request, "X-A", "b\r\nX-Evil: 1") == CREW_EINVAL,
             crew_reply_header(request, "Sec-WebSocket-Accept", "mine") == CREW_EINVAL);
    note("choose: %s", crew_strerror(crew_handshake_protocol(request, "chat")));
    return crew_reply_header(request, "X-Hand", "shaken");
}

static void on_open(crew_conn *conn) {
    (void)conn;
    note("open");
}

static void on_message(crew_conn *conn, const crew_msg *msg) {
    note("message %zu", msg->len);
    if (msg->len > 4 && memcmp(msg->data, "big ", 4) == 0) {
        char text[16] = "";
        memcpy(text, msg->data + 4, msg->len - 4 < 15 ? msg->len - 4 : 15);
        size_t size = strtoul(text, NULL, 10);
        char *data = malloc(size + 1);
        if (!data)
            return;
        memset(data, 'z', size);
        crew_conn_send(conn, data, size);
        free(data);
        return;
    }
    crew_conn_send(conn, msg->data, msg->len);
}

static void on_ping(crew_conn *conn, const crew_msg *payload) {
    (void)conn;
    note("ping %.*s", (int)payload->len, payload->data);
}

static void on_pong(crew_conn *conn, const crew_msg *payload) {
    (void)conn;
    note("pong %.*s", (int)payload->len, payload->data);
}

static void on_buffer_drain(crew_conn *conn) {
    note("drain");
    if (flow_of(conn)->left > 0)
        pump(conn);
}

static void on_buffer_full(crew_conn *conn) {
    (void)conn;
    note("full");
}

static void on_error(crew_conn *conn, int error, const char *text) {
    (void)conn;
    note("error %d %s", error, text);
}

static void on_close(crew_conn *conn, int reason) {
    (void)conn;
    note("close reason=%s", crew_close_reason_name(reason));
}

CREW_APP({
    .name = "probe",
    .on_request = on_request,
    .on_body = BODY_CALLBACK,
    .on_handshake = on_handshake,
    .on_open = on_open,
    .on_message = on_message,
    .on_ping = on_ping,
    .on_pong = on_pong,
    .on_buffer_full = on_buffer_full,
    .on_buffer_drain = on_buffer_drain,
    .on_error = on_error,
    .on_close = on_close,
})
