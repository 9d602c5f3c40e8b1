/* SPDX-License-Identifier: MIT
 *
 * Exchanges on a wire that is not HTTP/1's: several at once on one connection, whose protocol
 * knows nothing of them. What reaches the wire is written down.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "conn.h"
#include "conn_state.h"
#include "exchange.h"
#include "http_wire.h"
#include "intake.h"
#include "request.h"
#include "stage.h"

#define REQUESTS_MAX 4

static struct crew_request *asked[REQUESTS_MAX]; /* as on_request was told of them */
static size_t asked_count;
static char sent[1024];

static void note(const struct crew_request *request, const char *what, int number,
                 const char *text, size_t len) {
    size_t at = strlen(sent);
    (void)snprintf(sent + at, sizeof(sent) - at, "%.*s %s %d %.*s; ",
                   (int)request->head.target.len, request->head.target.data, what, number,
                   (int)len, text);
}

static void expect_sent(const char *text) {
    assert_string_equal(sent, text);
    sent[0] = '\0';
}

static int send_head(struct crew_request *request, const struct reply_head *head,
                     const void *body, size_t len) {
    note(request, "is", head->status, body ? body : "", body ? len : 0);
    return CREW_SENT;
}

static void ended(struct crew_request *request) {
    exchange_free(request);
}

static void refuse(struct crew_request *request, int status, int error, const char *text) {
    (void)error;
    note(request, "is refused", status, text, strlen(text));
    exchange_free(request);
}

static int send_end(struct crew_request *request) {
    note(request, "does not end", 0, "", 0);
    return CREW_ENOMEM;
}

static void abandon(struct crew_request *request, int error) {
    conn_end(request->conn, CREW_CLOSE_MEMORY, error);
}

static const struct http_wire wire = {.send_head = send_head,
                                      .send_end = send_end,
                                      .abandon = abandon,
                                      .ended = ended,
                                      .refuse = refuse};

static void keep_it(crew_conn *conn, crew_request *request) {
    (void)conn;
    assert_true(asked_count < REQUESTS_MAX);
    asked[asked_count++] = request;
}

static void answer_with_its_body(crew_conn *conn, crew_request *request) {
    (void)conn;
    size_t len;
    const char *body = crew_request_body(request, &len);
    assert_int_equal(crew_reply(request, 200, NULL, body, len), CREW_SENT);
}

static void note_piece(crew_conn *conn, crew_request *request, const char *data, size_t len,
                       int is_last) {
    (void)conn;
    note(request, is_last ? "ends" : "has", (int)len, data, len);
}

/* A connection of a service that answers requests, though its protocol is another. */
static struct stage *begin(void (*on_request)(crew_conn *, crew_request *)) {
    struct stage *stage = stage_new(LISTEN_TCP);
    stage->service.app.on_request = on_request;
    stage->config.limits.max_body = 10;
    stage_start(stage, &transport_memory);
    stage_join(stage, "a");
    asked_count = 0;
    sent[0] = '\0';
    return stage;
}

/* A head that has come; `text` lives as long as the request. NULL: it was refused. */
static struct crew_request *come(struct stage *stage, const char *text, bool has_body) {
    static const struct http_limits limits = {.head_size = 1000, .fields = 10};
    size_t scanned = 0;
    struct crew_request *request = exchange_new(stage->peers[0]->conn, &wire);
    assert_non_null(request);
    int len = http_head_parse(text, strlen(text), &scanned, &limits, &request->head);
    assert_true(len > 0);
    request->head_data = text;
    request->head_len = (size_t)len;
    switch (intake_head(request, has_body, false)) {
    case INTAKE_REFUSED:
        return NULL;
    case INTAKE_HANDSHAKE:
        fail();
        return NULL;
    case INTAKE_PLAIN:
        if (!has_body)
            exchange_dispatch(request);
        else if (!intake_begin(request))
            return NULL;
        else if (request->is_streaming_body)
            exchange_dispatch(request);
    }
    return request;
}

static void take(struct crew_request *request, const char *text) {
    char data[32];
    size_t len = strlen(text);
    assert_true(len < sizeof(data));
    memcpy(data, text, len);
    assert_true(intake_data(request, data, len));
}

static void answer_in_vain(crew_conn *conn, crew_request *request) {
    (void)conn;
    assert_int_equal(crew_reply(request, 999, NULL, "a", 1), CREW_EINVAL);
    assert_int_equal(crew_reply(request, 200, NULL, NULL, 1), CREW_EINVAL);
    assert_int_equal(crew_reply_header(request, "A", "b"), 0); /* it waits still */
}

static void answer_at_the_third_attempt(crew_conn *conn, crew_request *request) {
    answer_in_vain(conn, request);
    assert_int_equal(crew_reply(request, 200, NULL, "a", 1), CREW_SENT);
    assert_int_equal(crew_reply(request, 200, NULL, "a", 1), CREW_ESTATE);
}

static void fail_each_way(crew_conn *conn, crew_request *request) {
    const char *target = crew_request_target(request);
    (void)conn;
    if (strcmp(target, "/file") == 0)
        assert_int_equal(crew_reply_file(request, "/no such file"), CREW_ENOENT);
    else if (strcmp(target, "/redirect") == 0)
        assert_int_equal(crew_reply_redirect(request, 200, "/"), CREW_EINVAL);
    else if (strcmp(target, "/begin") == 0)
        assert_int_equal(crew_reply_begin(request, 204, NULL), CREW_EINVAL);
}

#define IN_VAIN "is 500 the answer could not be sent\n; "

static void test_an_answer_that_failed_is_500(void **state) {
    (void)state;
    struct stage *stage = begin(answer_in_vain);
    come(stage, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n", false);
    expect_sent("/1 " IN_VAIN);
    stage->service.app.on_request = answer_at_the_third_attempt;
    come(stage, "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n", false);
    expect_sent("/2 is 200 a; ");
    stage->service.app.on_request = fail_each_way;
    come(stage, "GET /file HTTP/1.1\r\nHost: a\r\n\r\n", false);
    come(stage, "GET /redirect HTTP/1.1\r\nHost: a\r\n\r\n", false);
    come(stage, "GET /begin HTTP/1.1\r\nHost: a\r\n\r\n", false);
    expect_sent("/file " IN_VAIN "/redirect " IN_VAIN "/begin " IN_VAIN);
    stage_free(stage);
}

/* Of two that wait, in a callback of a handle of the app's own, whose end nobody sees. */
static void test_a_later_answer_that_failed_is_500(void **state) {
    (void)state;
    struct stage *stage = begin(keep_it);
    come(stage, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n", false);
    come(stage, "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n", false);
    uint64_t second = crew_request_id(asked[1]);
    assert_int_equal(crew_reply(asked[1], 1, NULL, "", 0), CREW_EINVAL);
    expect_sent("");
    stage_turn(stage);
    expect_sent("/2 " IN_VAIN);
    assert_null(crew_request_find(second));
    assert_int_equal(crew_reply(asked[0], 200, NULL, "a", 1), CREW_SENT);
    expect_sent("/1 is 200 a; ");
    stage_free(stage);
}

/* As in the app's callback: the attempt that failed has had no effect. */
static void test_a_later_answer_has_another_attempt(void **state) {
    (void)state;
    struct stage *stage = begin(keep_it);
    come(stage, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n", false);
    assert_int_equal(crew_reply_file(asked[0], "/no such file"), CREW_ENOENT);
    assert_int_equal(crew_reply(asked[0], 404, NULL, "none", 4), CREW_SENT);
    stage_turn(stage);
    expect_sent("/1 is 404 none; ");
    stage_free(stage);
}

/* Nobody would ever know where its body ends. */
static void test_an_answer_without_an_end_ends_its_connection(void **state) {
    (void)state;
    struct stage *stage = begin(keep_it);
    come(stage, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n", false);
    assert_int_equal(crew_reply_begin(asked[0], 200, NULL), CREW_SENT);
    assert_int_equal(crew_reply_end(asked[0]), CREW_ENOMEM);
    expect_sent("/1 is 200 ; /1 does not end 0 ; ");
    assert_int_equal(crew_reply_end(asked[0]), CREW_ECLOSED);
    exchange_free(asked[0]);
    stage_run(stage);
    stage_expect(stage, "a connect; a open; a error out of memory; a close memory");
    stage_free(stage);
}

static void test_several_wait_on_one_connection(void **state) {
    (void)state;
    struct stage *stage = begin(keep_it);
    come(stage, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n", false);
    come(stage, "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n", false);
    assert_int_equal(asked_count, 2);
    uint64_t first = crew_request_id(asked[0]), second = crew_request_id(asked[1]);
    assert_true(first != 0 && second != 0 && first != second);
    assert_ptr_equal(crew_request_find(first), asked[0]);
    assert_ptr_equal(crew_request_find(second), asked[1]);
    assert_int_equal(crew_reply(asked[1], 200, NULL, "b", 1), CREW_SENT);
    assert_null(crew_request_find(second));
    assert_ptr_equal(crew_request_find(first), asked[0]);
    assert_int_equal(crew_reply(asked[0], 404, NULL, "a", 1), CREW_SENT);
    assert_null(crew_request_find(first));
    expect_sent("/2 is 200 b; /1 is 404 a; ");
    assert_int_equal(stage->peers[0]->conn->state, CONN_OPEN);
    stage_free(stage);
}

static void test_bodies_come_in_turns(void **state) {
    (void)state;
    struct stage *stage = begin(answer_with_its_body);
    struct crew_request *one = come(stage, "POST /1 HTTP/1.1\r\nHost: a\r\n\r\n", true);
    struct crew_request *two = come(stage, "POST /2 HTTP/1.1\r\nHost: a\r\n\r\n", true);
    take(one, "on");
    take(two, "t");
    take(one, "e");
    take(two, "wo");
    expect_sent("");
    intake_end(two);
    intake_end(one);
    expect_sent("/2 is 200 two; /1 is 200 one; ");
    stage_free(stage);
}

static void test_pieces_go_to_the_app_as_they_come(void **state) {
    (void)state;
    struct stage *stage = begin(keep_it);
    stage->service.app.on_body = note_piece;
    struct crew_request *one = come(stage, "POST /1 HTTP/1.1\r\nHost: a\r\n\r\n", true);
    struct crew_request *two = come(stage, "POST /2 HTTP/1.1\r\nHost: a\r\n\r\n", true);
    assert_int_equal(asked_count, 2);
    take(one, "one");
    take(two, "two");
    intake_end(one);
    intake_end(two);
    expect_sent("/1 has 3 one; /2 has 3 two; /1 ends 0 ; /2 ends 0 ; ");
    assert_int_equal(crew_reply(two, 200, NULL, NULL, 0), CREW_SENT);
    assert_int_equal(crew_reply(one, 200, NULL, NULL, 0), CREW_SENT);
    expect_sent("/2 is 200 ; /1 is 200 ; ");
    stage_free(stage);
}

static void test_one_is_refused_and_the_others_go_on(void **state) {
    (void)state;
    struct stage *stage = begin(keep_it);
    come(stage, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n", false);
    assert_null(come(stage, "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", false));
    assert_null(come(stage, "GET /3 HTTP/1.1\r\nHost: a\r\nExpect: rain\r\n\r\n", false));
    assert_null(come(stage, "POST /4 HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n", true));
    expect_sent("a:1 is refused 501 this is no proxy: CONNECT is not implemented; "
                "/3 is refused 417 this expectation cannot be met; "
                "/4 is refused 413 body too large; ");
    assert_int_equal(asked_count, 1);
    assert_int_equal(crew_reply(asked[0], 200, NULL, "ok", 2), CREW_SENT);
    expect_sent("/1 is 200 ok; ");
    stage_expect(stage, "a connect; a open");
    stage_free(stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_answer_that_failed_is_500),
        cmocka_unit_test(test_a_later_answer_that_failed_is_500),
        cmocka_unit_test(test_a_later_answer_has_another_attempt),
        cmocka_unit_test(test_an_answer_without_an_end_ends_its_connection),
        cmocka_unit_test(test_several_wait_on_one_connection),
        cmocka_unit_test(test_bodies_come_in_turns),
        cmocka_unit_test(test_pieces_go_to_the_app_as_they_come),
        cmocka_unit_test(test_one_is_refused_and_the_others_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
