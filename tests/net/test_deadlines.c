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
#include "scene.h"

#define HANDSHAKE_MS  10000u
#define CLOSE_MS      5000u
#define BODY_MS       30000u
#define KEEP_ALIVE_MS 60000u
#define SEND_MS       20000u

#define POST_HEAD "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n"

static char filling[100000];
static void set_times(struct stage *stage) {
    stage->config.limits.handshake_timeout_ms = HANDSHAKE_MS;
    stage->config.limits.close_timeout_ms = CLOSE_MS;
    stage->config.limits.message_timeout_ms = BODY_MS;
    stage->config.limits.keep_alive_ms = KEEP_ALIVE_MS;
    stage->config.limits.send_timeout_ms = SEND_MS;
    stage->react = stage_answer;
}

static struct scene http = {LISTEN_HTTP, set_times};
static struct scene websocket = {LISTEN_WEBSOCKET, set_times};

/* A request that the app leaves to the test. */
static void ask_without_answer(struct stage *stage, struct peer *peer) {
    stage->react = NULL;
    stage_say(peer, SAY_GET);
    stage_run(stage);
}

static void test_a_handshake_that_does_not_come(void **state) {
    static const struct {
        const struct scene *scene;
        const char *said, *answer;
    } cases[] = {
        {&websocket, "", "HTTP/1.1 408 "},
        {&websocket, "GET / HTTP/1.1\r\n", "HTTP/1.1 408 "},
        {&http, "", ""}, /* a spare one, as browsers open them */
        {&http, "GET / HTTP/1.1\r\n", "HTTP/1.1 408 "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct stage *stage = scene_open(cases[i].scene);
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
    static const struct scene *const scenes[] = {&http, &websocket};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct stage *stage = scene_open(scenes[i]);
        struct peer *peer = stage_join(stage, "a");
        stage_chatter(stage, peer, "G", HANDSHAKE_MS);
        assert_false(peer->is_shut);
        stage_pass_rest(stage);
        assert_true(peer_begins_with(peer, "HTTP/1.1 408 "));
        stage_free(stage);
    }
}

static void test_a_websocket_has_no_deadline_when_it_is_open(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    stage_pass(stage, 3600 * 1000);
    assert_false(peer->is_closed);
}

static void test_a_body_has_time_as_long_as_it_comes(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    stage_say(peer, POST_HEAD);
    for (int i = 0; i < 10; i++) {
        stage_say(peer, "x");
        stage_pass_most(stage, BODY_MS);
        assert_false(peer->is_shut);
    }
    stage_pass(stage, BODY_MS + STAGE_SLACK_MS); /* a window in which nothing came */
    assert_true(peer_begins_with(peer, "HTTP/1.1 408 "));
    stage_expect(stage, "a error #50; a close timeout");
}

static void test_the_app_has_all_the_time_for_its_answer(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    ask_without_answer(stage, peer);
    stage_pass(stage, 3600 * 1000);
    stage_expect(stage, "a request /a");
    crew_conn_send(peer->conn, "late", 4);
    stage_run(stage);
    assert_true(peer_begins_with(peer, "HTTP/1.1 200 "));
}

static void test_a_quiet_connection_is_kept_alive_for_so_long(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    for (int i = 0; i < 3; i++) {
        stage_say(peer, SAY_GET);
        stage_pass_most(stage, KEEP_ALIVE_MS);
        assert_true(peer_begins_with(peer, "HTTP/1.1 200 "));
        peer_forget(peer);
    }
    stage_pass_rest(stage);
    assert_true(peer->is_shut);
    assert_int_equal(peer->out.len, 0); /* without a word */
    peer_end(peer);
    stage_run(stage);
    stage_expect(stage, "a request /a; a request /a; a request /a; a close timeout");
}

/* RFC 9112 section 2.2: it is no beginning of another. */
static void test_an_empty_line_behind_a_request_begins_no_head(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    stage_say(peer, SAY_GET "\r\n");
    stage_expect_end(stage, peer, KEEP_ALIVE_MS);
    assert_null(strstr(peer->out.data, "408"));
}

/* What begins as a request has the time of a head, not the rest of keep-alive. */
static void test_a_next_head_has_its_own_time(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    stage_say(peer, SAY_GET);
    stage_pass_most(stage, KEEP_ALIVE_MS);
    stage_say(peer, "GET");
    peer_forget(peer);
    stage_expect_end(stage, peer, HANDSHAKE_MS);
    assert_true(peer_begins_with(peer, "HTTP/1.1 408 "));
}

static void test_an_answer_has_time_as_long_as_it_is_taken(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    ask_without_answer(stage, peer);
    peer->room = 1000;
    peer->unsent = 1000;
    crew_conn_send(peer->conn, filling, sizeof(filling));
    /* The kernel has no room again before a part of what it has is acknowledged. */
    for (int i = 1; i < 10; i++) {
        stage_pass_most(stage, SEND_MS);
        peer->unsent = 1000 - i * 10;
        assert_false(peer->is_closed);
    }
    stage_pass_most(stage, SEND_MS);
    assert_false(peer->is_closed);
    stage_pass_rest(stage);
    assert_true(peer->is_closed);
    stage_expect(stage, "a request /a; a close timeout");
}

/* Each request that is served must not end the deadline of the answers before it. */
static void test_who_asks_on_and_on_and_does_not_read_gains_nothing(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    peer->room = 10;
    stage_chatter(stage, peer, SAY_GET SAY_GET, SEND_MS);
    assert_false(peer->is_closed);
    stage_say(peer, SAY_GET);
    stage_pass_rest(stage);
    assert_true(peer->is_closed);
}

static void test_room_is_progress_of_an_answer(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    ask_without_answer(stage, peer);
    peer->room = 0;
    peer->unsent = -1; /* cannot be told */
    crew_conn_send(peer->conn, filling, sizeof(filling));
    for (int i = 0; i < 10; i++) {
        stage_pass_most(stage, SEND_MS);
        peer->room = 1;
    }
    assert_int_equal(peer->out.len, 9);
    stage_expect_end(stage, peer, SEND_MS);
    stage_expect(stage, "a request /a; a close timeout");
}

static void test_a_pause_has_no_deadline_but_that_of_the_queue(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    stage_say(peer, SAY_GET);
    stage_run(stage);
    crew_conn_pause(peer->conn);
    stage_pass(stage, 10 * KEEP_ALIVE_MS);
    assert_false(peer->is_closed || peer->is_shut);
    crew_conn_resume(peer->conn);
    stage_run(stage);
    ask_without_answer(stage, peer);
    peer->room = 0;
    crew_conn_pause(peer->conn);
    crew_conn_send(peer->conn, filling, sizeof(filling));
    stage_expect_end(stage, peer, SEND_MS);
    stage_expect(stage, "a request /a; a request /a; a close timeout");
}

static void test_zero_is_off(void **state) {
    (void)state;
    struct stage *stage = stage_new(LISTEN_HTTP);
    stage_start(stage, &transport_memory);
    struct peer *peers[] = {stage_join(stage, "a"), stage_join(stage, "b"),
                            stage_join(stage, "c")};
    stage_say(peers[0], "GET");
    stage_say(peers[1], POST_HEAD);
    stage_say(peers[2], SAY_GET);
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
        SCENE_TEST(test_a_websocket_has_no_deadline_when_it_is_open, &websocket),
        SCENE_TEST(test_a_body_has_time_as_long_as_it_comes, &http),
        SCENE_TEST(test_the_app_has_all_the_time_for_its_answer, &http),
        SCENE_TEST(test_a_quiet_connection_is_kept_alive_for_so_long, &http),
        SCENE_TEST(test_an_empty_line_behind_a_request_begins_no_head, &http),
        SCENE_TEST(test_a_next_head_has_its_own_time, &http),
        SCENE_TEST(test_an_answer_has_time_as_long_as_it_is_taken, &http),
        SCENE_TEST(test_who_asks_on_and_on_and_does_not_read_gains_nothing, &http),
        SCENE_TEST(test_room_is_progress_of_an_answer, &http),
        SCENE_TEST(test_a_pause_has_no_deadline_but_that_of_the_queue, &http),
        cmocka_unit_test(test_zero_is_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
