/* SPDX-License-Identifier: MIT
 *
 * Memory fails at every allocation in turn, in the middle of a connection's life: it costs that
 * connection at most, never an event too many, a byte out of order or a crash. The linker puts
 * our functions before malloc() and its like, for what is linked statically.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conn.h"
#include "say.h"
#include "stage.h"
#include "stream.h"
#include "udp.h"
#include "wire_frame.h"

#define NOT_ARMED    SIZE_MAX
#define FAILURES_MAX 500

static size_t fails_in = NOT_ARMED; /* allocations before the one that fails */
static bool has_failed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool fails(void) {
    if (fails_in == NOT_ARMED || fails_in-- > 0)
        return false;
    fails_in = NOT_ARMED;
    has_failed = true;
    return true;
}

void *__wrap_malloc(size_t size) {
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size) {
    return fails() ? NULL : __real_realloc(old, size);
}

/* Of a connection that has all kinds of work: an echo, a frame to the other, a pause. */
static struct peer *peers[2];

static void work(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    struct crew_conn *other = peers[peers[0]->conn == conn]->conn;
    if (strcmp(event, "request") == 0)
        crew_conn_send(conn, "answer", 6);
    if (strcmp(event, "message") != 0)
        return;
    crew_conn_send(conn, msg->data, msg->len);
    crew_frame *frame = crew_frame_new(msg->data, msg->len, CREW_MSG_TEXT);
    if (frame && other)
        crew_conn_send_frame(other, frame);
    crew_frame_unref(frame);
    if (msg->len == 5)
        crew_conn_pause(conn);
}

/* The tools of the test have their memory beforehand. */
static void give_memory(struct peer *peer) {
    static char much[65536];
    bytes_add(&peer->in, much, sizeof(much));
    bytes_add(&peer->out, much, sizeof(much));
    peer->in.len = peer->out.len = 0;
}

struct subject {
    enum listen_protocol protocol;
    const char *extensions;
    const char *parts[4];
};

static void say_part(struct peer *peer, const struct subject *subject, const char *part) {
    if (subject->protocol == LISTEN_WEBSOCKET)
        say_text(peer, part);
    else
        stage_say(peer, part);
}

static void run_while_short(struct stage *stage, size_t failure) {
    fails_in = failure;
    stage_run(stage);
    fails_in = NOT_ARMED;
}

static void live(struct stage *stage, const struct subject *subject, size_t failure) {
    for (int i = 0; i < 2; i++) {
        if (subject->protocol == LISTEN_WEBSOCKET)
            say_handshake(peers[i], subject->extensions);
        for (size_t j = 0; j < 4 && subject->parts[j]; j++)
            say_part(peers[i], subject, subject->parts[j]);
        peers[i]->room = 10;
    }
    run_while_short(stage, failure);
    for (int i = 0; i < 2; i++)
        peers[i]->room = SIZE_MAX;
    for (int i = 0; i < 2; i++)
        if (peers[i]->conn)
            crew_conn_resume(peers[i]->conn);
    stage_run(stage);
    for (int i = 0; i < 2; i++)
        peer_end(peers[i]);
    stage_run(stage);
}

/* Answers whether an allocation failed. */
static bool survive(const struct subject *subject, size_t failure) {
    struct stage *stage = stage_new(subject->protocol);
    stage->config.websocket.deflate = subject->extensions != NULL;
    stage_start(stage, &transport_memory);
    has_failed = false;
    for (int i = 0; i < 2; i++) {
        peers[i] = stage_join(stage, i == 0 ? "a" : "b");
        give_memory(peers[i]);
    }
    stage->react = work;
    live(stage, subject, failure);
    for (int i = 0; i < 2; i++) {
        while (peers[i]->conn && peers[i]->conn->is_paused) {
            crew_conn_resume(peers[i]->conn);
            stage_run(stage);
        }
        assert_true(peers[i]->is_closed);
    }
    assert_int_equal(stage->worker.conns.count, 0);
    char *events = stage_take_events(stage);
    assert_non_null(strstr(events, "a close "));
    assert_non_null(strstr(events, "b close "));
    free(events);
    stage_free(stage);
    return has_failed;
}

static void survive_all(const struct subject *subject) {
    size_t failure = 0;
    while (survive(subject, failure))
        failure++;
    assert_in_range(failure, 1, FAILURES_MAX);
}

static void test_lines(void **state) {
    (void)state;
    survive_all(
        &(struct subject){LISTEN_TEXT, NULL, {"one\ntw", "o\nhello\nrest\n", "more\n"}});
}

static void test_websocket(void **state) {
    (void)state;
    survive_all(&(struct subject){LISTEN_WEBSOCKET, NULL, {"one", "hello", "rest"}});
}

static void test_websocket_with_compression(void **state) {
    (void)state;
    survive_all(&(struct subject){LISTEN_WEBSOCKET, SAY_DEFLATE, {"one", "hello", "rest"}});
}

static void test_http(void **state) {
    (void)state;
    survive_all(
        &(struct subject){LISTEN_HTTP,
                          NULL,
                          {"GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
                           "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
                           "GET /c HTTP/1.1\r\nHo", "st: x\r\n\r\n"}});
}

/* The answers of an app that looks at no result. */
static void answer_blindly(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    struct crew_request *request = crew_conn_request(conn);
    (void)msg;
    if (strcmp(event, "request") != 0 || !request)
        return;
    crew_reply_header(request, "X-Kind", crew_request_header(request, "kind"));
    switch (crew_request_method(request)[0]) {
    case 'G':
        crew_reply_begin(request, 200, "text/plain");
        crew_reply_write(request, "piece", 5);
        crew_reply_end(request);
        break;
    case 'D':
        crew_reply_file(request, "/proc/self/comm");
        break;
    default:
        crew_replyf(request, 200, "text/plain", "%s %5000d", crew_request_form(request, "a"),
                    1);
    }
}

#define FORM "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nvalue\r\n--b--\r\n"

/* As the requests come in pieces, those that wait are kept. */
static const char *const asked[] = {
    "GET /a HTTP/1.1\r\nHost: x\r\nKind: 1\r\n\r\n",
    "POST /b HTTP/1.1\r\nHost: x\r\nKind: 2\r\nContent-Length: 6\r\n"
    "Content-Type: application/x-www-form-urlencoded\r\n\r\na=b%2",
    "1DELETE /c HTTP/1.1\r\nHost: x\r\nKind: 3\r\n\r\n"
    "POST /d HTTP/1.1\r\nHost: x\r\nKind: 4\r\n"
    "Content-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n\r\n3d\r\n",
    FORM "\r\n0\r\n\r\n"};

static size_t count_answers(const struct peer *peer, const char *status) {
    size_t count = 0;
    const char *at = peer->out.len > 0 ? peer->out.data : "";
    while ((at = strstr(at, status)) != NULL) {
        count++;
        at++;
    }
    return count;
}

/* Of a client that takes its answers at once, or only in the end. Answers whether an allocation
 * failed. */
static bool ask_all(size_t failure, bool is_slow) {
    struct stage *stage = stage_new(LISTEN_HTTP);
    stage->config.http.max_parts = 10;
    stage_start(stage, &transport_memory);
    struct peer *peer = stage_join(stage, "a");
    give_memory(peer);
    stage->react = answer_blindly;
    peer->room = is_slow ? 10 : SIZE_MAX;
    has_failed = false;
    fails_in = failure;
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        stage_say(peer, asked[i]);
        stage_run(stage);
    }
    fails_in = NOT_ARMED;
    peer->room = SIZE_MAX;
    stage_run(stage);
    if (!has_failed)
        assert_int_equal(count_answers(peer, "HTTP/1.1 200"), 4);
    else if (!peer->is_closed && !peer->is_shut)
        assert_int_equal(count_answers(peer, "HTTP/1.1 "), 4);
    stage_free(stage);
    return has_failed;
}

static void test_nobody_waits_for_an_answer(void **state) {
    (void)state;
    for (int is_slow = 0; is_slow < 2; is_slow++) {
        size_t failure = 0;
        while (ask_all(failure, is_slow))
            failure++;
        assert_in_range(failure, 10, FAILURES_MAX);
    }
}

/* Counted as a lack of memory and not as a fault of the peer, which the same bytes are where
 * memory suffices. */
static void test_frames_of_a_datagram(void **state) {
    struct conns conns = {0};
    struct endpoint endpoint = {.conns = &conns, .settings.max_message = 100};
    struct crew_conn conn = {.endpoint = &endpoint, .protocol = &protocol_udp_frame};
    char part[] = {0, 0, 0, 9, 'h', 'i'};
    (void)state;
    has_failed = false;
    fails_in = 0;
    protocol_udp_take(&conn, part, sizeof(part));
    fails_in = NOT_ARMED;
    assert_true(has_failed);
    assert_int_equal(conns.totals.protocol_errors, 0);
    protocol_udp_take(&conn, part, sizeof(part));
    assert_int_equal(conns.totals.protocol_errors, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_websocket),
        cmocka_unit_test(test_websocket_with_compression),
        cmocka_unit_test(test_http),
        cmocka_unit_test(test_nobody_waits_for_an_answer),
        cmocka_unit_test(test_frames_of_a_datagram),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
