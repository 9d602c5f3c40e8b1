/* SPDX-License-Identifier: MIT
 *
 * An app that answers, pauses and asks at awkward moments: in on_error, in on_buffer_full, in
 * on_close, in the middle of a body, before a handshake. The path names what it does.
 */
#include <crewman.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BIG     9000000u
#define MUCH    12000000u
#define REST_MS 2500u

#ifdef AWKWARD_ON_BODY
#define HAS_ON_BODY 1
#else
#define HAS_ON_BODY 0
#endif

static void later(crew_conn *conn, void (*tick)(crew_timer, void *)) {
    crew_timer_add_once(REST_MS, tick, (void *)(uintptr_t)crew_conn_id(conn));
}

static crew_conn *of(void *arg) {
    return crew_conn_find((crew_id)(uintptr_t)arg);
}

static void answer_late(crew_timer timer, void *arg) {
    (void)timer;
    crew_conn *conn = of(arg);
    if (conn)
        crew_reply(crew_conn_request(conn), 200, "text/plain", "late", 4);
}

static void resume(crew_timer timer, void *arg) {
    (void)timer;
    crew_conn *conn = of(arg);
    if (conn)
        crew_conn_resume(conn);
}

static int is_at(crew_conn *conn, const char *path) {
    crew_request *request = crew_conn_request(conn);
    return request && strcmp(crew_request_path(request), path) == 0;
}

static void reply_big(crew_request *request) {
    char *data = calloc(1, BIG);
    if (!data)
        abort();
    crew_log(CREW_LOG_NOTICE, "big: %d", crew_reply(request, 200, "text/plain", data, BIG));
    free(data);
}

/* Fields that fit, behind a type that then does not. */
static void reply_long(crew_request *request) {
    char value[15001] = "", type[1501] = "";
    memset(value, 'v', sizeof(value) - 1);
    memset(type, 't', sizeof(type) - 1);
    int field = crew_reply_header(request, "X-Long", value);
    int both = crew_reply(request, 200, type, "", 0);
    crew_log(CREW_LOG_NOTICE, "long: %d, %s", field, crew_strerror(both));
    crew_reply(request, 200, "text/plain", "", 0);
}

static int count_field(const char *name, const char *value, size_t len, void *arg) {
    (void)name;
    (void)value;
    (void)len;
    ++*(int *)arg;
    return 0;
}

/* "fields first body" */
static void reply_form(crew_request *request) {
    int count = 0, error = crew_request_each_field(request, count_field, &count);
    const char *first = crew_request_form(request, "a");
    size_t len;
    const char *body = crew_request_body(request, &len);
    char text[200];
    int size = snprintf(text, sizeof(text), "%d \"%s\" %.*s", error ? error : count,
                        first ? first : "none", (int)len, body);
    bool is_cut = size >= (int)sizeof(text);
    crew_reply(request, 200, "text/plain", text, is_cut ? sizeof(text) - 1 : (size_t)size);
}

/* More than is read behind, before the body has come. */
static void begin_stream(crew_request *request) {
    char *data = calloc(1, MUCH);
    if (!data)
        abort();
    crew_reply_begin(request, 200, "text/plain");
    crew_reply_write(request, data, MUCH);
    free(data);
}

static const char *held;
static size_t held_len;

/* With what was asked for in the callback. */
static void answer_held(crew_timer timer, void *arg) {
    (void)timer;
    crew_conn *conn = of(arg);
    if (conn)
        crew_reply(crew_conn_request(conn), 200, "text/plain", held, held_len);
}

static int answer_field(const char *name, const char *value, size_t len, void *arg) {
    (void)value;
    (void)len;
    crew_reply(arg, 200, "text/plain", name, strlen(name));
    return 0;
}

static int answer_header(const char *name, const char *value, void *arg) {
    return answer_field(name, value, 0, arg);
}

static void reply_cookie(crew_request *request) {
    struct crew_cookie cookie = {.name = "a", .value = "b", .same_site = 9};
    int error = crew_reply_cookie(request, &cookie);
    crew_reply(request, 200, "text/plain", "no", error == CREW_EINVAL ? 2 : 0);
}

static void on_request(crew_conn *conn, crew_request *request) {
    if (is_at(conn, "/hold")) {
        held = crew_request_body(request, &held_len);
        later(conn, answer_held);
    } else if (is_at(conn, "/fields")) {
        crew_request_each_field(request, answer_field, request);
    } else if (is_at(conn, "/headers")) {
        crew_request_each_header(request, answer_header, request);
    } else if (is_at(conn, "/cookie")) {
        reply_cookie(request);
    } else if (is_at(conn, "/form"))
        reply_form(request);
    else if (is_at(conn, "/big"))
        reply_big(request);
    else if (is_at(conn, "/long"))
        reply_long(request);
    else if (is_at(conn, "/drop"))
        crew_conn_close(conn);
    else if (is_at(conn, "/rest")) {
        crew_conn_pause(conn);
        crew_timer_add_once(50, resume, (void *)(uintptr_t)crew_conn_id(conn));
    } else if (is_at(conn, "/late"))
        later(conn, answer_late);
    else if (is_at(conn, "/stream"))
        begin_stream(request);
    else if (!HAS_ON_BODY)
        crew_reply(request, 200, "text/plain", "ok", 2);
}

#ifdef AWKWARD_ON_BODY
/* Of "/pause" the second piece is the last that comes. */
static void on_body(crew_conn *conn, crew_request *request, const char *data, size_t len,
                    int is_last) {
    (void)request;
    (void)data;
    if (is_at(conn, "/pause") && len > 0 && !crew_conn_data(conn)) {
        crew_conn_set_data(conn, (void *)"seen one", NULL);
    } else if (is_at(conn, "/pause") && len > 0) {
        crew_conn_pause(conn);
        later(conn, resume);
    } else if (is_last && is_at(conn, "/slow")) {
        later(conn, answer_late);
    } else if (is_last && is_at(conn, "/stream")) {
        crew_reply_end(request);
    } else if (is_last) {
        crew_reply(request, 200, "text/plain", "taken", 5);
    }
}
#endif

static void on_connect(crew_conn *conn) {
    static const char long_greeting[600000];
    const char *greeting = getenv("AWKWARD_GREETING");
    if (greeting && strcmp(greeting, "long") == 0)
        crew_log(CREW_LOG_NOTICE, "greeted: %d",
                 crew_conn_send_binary(conn, long_greeting, sizeof(long_greeting)));
    else if (greeting)
        crew_conn_send(conn, "greeting", 8);
}

static int on_handshake(crew_conn *conn, crew_request *request) {
    (void)request;
    crew_reply_redirect(request, 302, "/elsewhere"); /* which is not possible here */
    crew_conn_pause(conn);
    later(conn, resume);
    return 0;
}

static void on_message(crew_conn *conn, const crew_msg *msg) {
    if (msg->len == 4 && memcmp(msg->data, "huge", 4) == 0) {
        int error = crew_conn_send(conn, msg->data, (size_t)-1);
        crew_conn_send(conn, NULL, 0);
        crew_log(CREW_LOG_NOTICE, "huge: %s", crew_strerror(error));
    }
    crew_conn_send(conn, msg->data, msg->len);
}

static void on_buffer_full(crew_conn *conn) {
    int result = crew_reply(crew_conn_request(conn), 503, "text/plain", "slow", 4);
    crew_log(CREW_LOG_NOTICE, "in on_buffer_full: %s", crew_strerror(result));
}

static void on_buffer_drain(crew_conn *conn) {
    (void)conn;
    crew_log(CREW_LOG_NOTICE, "drained");
}

static void on_open(crew_conn *conn) {
    (void)conn;
    crew_log(CREW_LOG_NOTICE, "open");
}

static void on_error(crew_conn *conn, int error, const char *text) {
    crew_request *request = crew_conn_request(conn);
    size_t len = 0;
    (void)error;
    if (request)
        crew_request_body(request, &len);
    int result = crew_reply(request, 422, "text/plain", text, strlen(text));
    crew_log(CREW_LOG_NOTICE, "in on_error: %s, body of %zu", crew_strerror(result), len);
}

static void on_close(crew_conn *conn, int reason) {
    crew_request *request = crew_conn_request(conn);
    const char *secret = request ? crew_request_header(request, "x-secret") : NULL;
    size_t len = 0;
    const char *body = request ? crew_request_body(request, &len) : NULL;
    crew_log(CREW_LOG_NOTICE, "in on_close: %s %.*s%s", crew_close_reason_name(reason),
             (int)(len < 100 ? len : 100), body ? body : "",
             request ? secret ? secret : "no header" : "no request");
}

CREW_APP({
    .name = "probe",
    .on_request = on_request,
#ifdef AWKWARD_ON_BODY
    .on_body = on_body,
#endif
    .on_connect = on_connect,
    .on_open = on_open,
    .on_handshake = on_handshake,
    .on_message = on_message,
    .on_buffer_full = on_buffer_full,
    .on_buffer_drain = on_buffer_drain,
    .on_error = on_error,
    .on_close = on_close,
})
