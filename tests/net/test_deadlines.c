/* SPDX-License-Identifier: MIT
 *
 * The deadlines of handshakes, requests and answers by a clock that the test moves: what each
 * waits for, what extends it and what does not, and that none runs while the app has paused.
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

#define HANDSHAKE_MS  10000u
#define CLOSE_MS      5000u
#define BODY_MS       30000u
#define KEEP_ALIVE_MS 60000u
#define SEND_MS       20000u

#define GET_REQUEST "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
#define POST_HEAD   "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n"

static char filling[100000];
static bool answers;

static void answer(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    (void)msg;
    if (answers && strcmp(event, "request") == 0)
        crew_conn_send(conn, "ok", 2);
}

static struct stage *open_stage(enum listen_protocol protocol) {
    struct stage *stage = stage_new(protocol);
    stage->config.limits.handshake_timeout_ms = HANDSHAKE_MS;
    stage->config.limits.close_timeout_ms = CLOSE_MS;
    stage->config.limits.body_timeout_ms = BODY_MS;
    stage->config.limits.keep_alive_ms = KEEP_ALIVE_MS;
    stage->config.limits.send_timeout_ms = SEND_MS;
    stage->react = answer;
    answers = true;
    stage_start(stage, &transport_memory);
    return stage;
}

static void test_a_handshake_that_does_not_come(void **state) {
    static const struct {
        enum listen_protocol protocol;
        const char *said, *answer;
    } cases[] = {
        {LISTEN_WEBSOCKET, "", "HTTP/1.1 408 "},
        {LISTEN_WEBSOCKET, "GET / HTTP/1.1\r\n", "HTTP/1.1 408 "},
        {LISTEN_HTTP, "", ""}, /* a spare one, as browsers open them */
        {LISTEN_HTTP, "GET / HTTP/1.1\r\n", "HTTP/1.1 408 "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct stage *stage = open_stage(cases[i].protocol);
        struct peer *peer = stage_join(stage, "a");
        stage_say(peer, cases[i].said);
        stage_expect_end(stage, peer, HANDSHAKE_MS);
        assert_true(peer_begins_with(peer, cases[i].answer));
        assert_int_equal(peer->out.len == 0, cases[i].answer[0] == '\0');
        stage_free(stage);
    }
}

/* The head as a whole has the time, whatever comes of it meanwhile. */
static void test_a_slow_head_gains_nothing(void **state) {
    static const enum listen_protocol protocols[] = {LISTEN_HTTP, LISTEN_WEBSOCKET};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct stage *stage = open_stage(protocols[i]);
        struct peer *peer = stage_join(stage, "a");
        for (unsigned second = 0; second < HANDSHAKE_MS / STAGE_TICK_MS - 1; second++) {
            stage_say(peer, "G");
            stage_pass(stage, STAGE_TICK_MS);
        }
        assert_false(peer->is_shut);
        stage_pass(stage, STAGE_TICK_MS + STAGE_SLACK_MS);
        assert_true(peer_begins_with(peer, "HTTP/1.1 408 "));
        stage_free(stage);
    }
}

static void test_a_websocket_has_no_deadline_when_it_is_open(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_WEBSOCKET);
    struct peer *peer = stage_meet(stage, "a");
    stage_pass(stage, 3600 * 1000);
    assert_false(peer->is_closed);
    stage_free(stage);
}

static void test_a_body_has_time_as_long_as_it_comes(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_HTTP);
    struct peer *peer = stage_meet(stage, "a");
    stage_say(peer, POST_HEAD);
    for (int i = 0; i < 10; i++) {
        stage_say(peer, "x");
        stage_pass(stage, BODY_MS - STAGE_TICK_MS);
        assert_false(peer->is_shut);
    }
    stage_pass(stage, STAGE_TICK_MS + STAGE_SLACK_MS);
    assert_true(peer_begins_with(peer, "HTTP/1.1 408 "));
    stage_expect(stage, "a error #41");
    stage_free(stage);
}

static void test_the_app_has_all_the_time_for_its_answer(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_HTTP);
    struct peer *peer = stage_meet(stage, "a");
    answers = false;
    stage_say(peer, GET_REQUEST);
    stage_pass(stage, 3600 * 1000);
    stage_expect(stage, "a request /a");
    crew_conn_send(peer->conn, "late", 4);
    stage_run(stage);
    assert_true(peer_begins_with(peer, "HTTP/1.1 200 "));
    stage_free(stage);
}

static void test_a_quiet_connection_is_kept_alive_for_so_long(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_HTTP);
    struct peer *peer = stage_meet(stage, "a");
    for (int i = 0; i < 3; i++) {
        stage_say(peer, GET_REQUEST);
        stage_pass(stage, KEEP_ALIVE_MS - STAGE_TICK_MS);
        assert_true(peer_begins_with(peer, "HTTP/1.1 200 "));
        peer_forget(peer);
    }
    stage_pass(stage, STAGE_TICK_MS + STAGE_SLACK_MS);
    assert_true(peer->is_shut);
    assert_int_equal(peer->out.len, 0); /* without a word */
    peer_end(peer);
    stage_run(stage);
    stage_expect(stage, "a request /a; a request /a; a request /a; a close timeout");
    stage_free(stage);
}

/* RFC 9112 section 2.2: it is no beginning of another. */
static void test_an_empty_line_behind_a_request_begins_no_head(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_HTTP);
    struct peer *peer = stage_meet(stage, "a");
    stage_say(peer, GET_REQUEST "\r\n");
    stage_expect_end(stage, peer, KEEP_ALIVE_MS);
    assert_null(strstr(peer->out.data, "408"));
    stage_free(stage);
}

/* What begins as a request has the time of a head, not the rest of keep-alive. */
static void test_a_next_head_has_its_own_time(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_HTTP);
    struct peer *peer = stage_meet(stage, "a");
    stage_say(peer, GET_REQUEST);
    stage_pass(stage, KEEP_ALIVE_MS - STAGE_TICK_MS);
    stage_say(peer, "GET");
    peer_forget(peer);
    stage_expect_end(stage, peer, HANDSHAKE_MS);
    assert_true(peer_begins_with(peer, "HTTP/1.1 408 "));
    stage_free(stage);
}

static void test_an_answer_has_time_as_long_as_it_is_taken(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_HTTP);
    struct peer *peer = stage_meet(stage, "a");
    answers = false;
    stage_say(peer, GET_REQUEST);
    stage_run(stage);
    peer->room = 1000;
    peer->unsent = 1000;
    crew_conn_send(peer->conn, filling, sizeof(filling));
    /* The kernel has no room again before a part of what it has is acknowledged. */
    for (int i = 1; i < 10; i++) {
        stage_pass(stage, SEND_MS - STAGE_TICK_MS);
        peer->unsent = 1000 - i * 10;
        assert_false(peer->is_closed);
    }
    stage_pass(stage, SEND_MS + STAGE_SLACK_MS);
    assert_false(peer->is_closed); /* that of the last interval counts */
    stage_pass(stage, SEND_MS + STAGE_SLACK_MS);
    assert_true(peer->is_closed);
    stage_expect(stage, "a request /a; a close timeout");
    stage_free(stage);
}

/* Each request that is served must not end the deadline of the answers before it. */
static void test_who_asks_on_and_on_and_does_not_read_gains_nothing(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_HTTP);
    struct peer *peer = stage_meet(stage, "a");
    peer->room = 10;
    for (unsigned i = 0; i < SEND_MS / STAGE_TICK_MS - 1; i++) {
        stage_say(peer, GET_REQUEST GET_REQUEST);
        stage_pass(stage, STAGE_TICK_MS);
    }
    assert_false(peer->is_closed);
    stage_say(peer, GET_REQUEST);
    stage_pass(stage, STAGE_TICK_MS + STAGE_SLACK_MS);
    assert_true(peer->is_closed);
    stage_free(stage);
}

static void test_room_is_progress_of_an_answer(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_HTTP);
    struct peer *peer = stage_meet(stage, "a");
    answers = false;
    stage_say(peer, GET_REQUEST);
    stage_run(stage);
    peer->room = 0;
    peer->unsent = -1; /* cannot be told */
    crew_conn_send(peer->conn, filling, sizeof(filling));
    for (int i = 0; i < 10; i++) {
        stage_pass(stage, SEND_MS - STAGE_TICK_MS);
        peer->room = 1;
    }
    assert_int_equal(peer->out.len, 9);
    stage_expect_end(stage, peer, SEND_MS);
    stage_expect(stage, "a request /a; a close timeout");
    stage_free(stage);
}

static void test_a_pause_has_no_deadline_but_that_of_the_queue(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_HTTP);
    struct peer *peer = stage_meet(stage, "a");
    stage_say(peer, GET_REQUEST);
    stage_run(stage);
    crew_conn_pause(peer->conn);
    stage_pass(stage, 10 * KEEP_ALIVE_MS);
    assert_false(peer->is_closed || peer->is_shut);
    crew_conn_resume(peer->conn);
    stage_run(stage);
    answers = false;
    stage_say(peer, GET_REQUEST);
    stage_run(stage);
    peer->room = 0;
    crew_conn_pause(peer->conn);
    crew_conn_send(peer->conn, filling, sizeof(filling));
    stage_expect_end(stage, peer, SEND_MS);
    stage_expect(stage, "a request /a; a request /a; a close timeout");
    stage_free(stage);
}

static void test_zero_is_off(void **state) {
    (void)state;
    struct stage *stage = stage_new(LISTEN_HTTP);
    stage_start(stage, &transport_memory);
    struct peer *peers[] = {stage_join(stage, "a"), stage_join(stage, "b"),
                            stage_join(stage, "c")};
    stage_say(peers[0], "GET");
    stage_say(peers[1], POST_HEAD);
    stage_say(peers[2], GET_REQUEST);
    stage_run(stage);
    crew_conn_close(peers[2]->conn);
    stage_pass(stage, 3600 * 1000);
    for (int i = 0; i < 3; i++)
        assert_false(peers[i]->is_closed);
    stage_free(stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_handshake_that_does_not_come),
        cmocka_unit_test(test_a_slow_head_gains_nothing),
        cmocka_unit_test(test_a_websocket_has_no_deadline_when_it_is_open),
        cmocka_unit_test(test_a_body_has_time_as_long_as_it_comes),
        cmocka_unit_test(test_the_app_has_all_the_time_for_its_answer),
        cmocka_unit_test(test_a_quiet_connection_is_kept_alive_for_so_long),
        cmocka_unit_test(test_an_empty_line_behind_a_request_begins_no_head),
        cmocka_unit_test(test_a_next_head_has_its_own_time),
        cmocka_unit_test(test_an_answer_has_time_as_long_as_it_is_taken),
        cmocka_unit_test(test_who_asks_on_and_on_and_does_not_read_gains_nothing),
        cmocka_unit_test(test_room_is_progress_of_an_answer),
        cmocka_unit_test(test_a_pause_has_no_deadline_but_that_of_the_queue),
        cmocka_unit_test(test_zero_is_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
