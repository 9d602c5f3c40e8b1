/* SPDX-License-Identifier: MIT
 *
 * limits.auth_timeout by a clock that the test moves: who is not recognized in time is ended,
 * whatever it does meanwhile; who is, stays.
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
#include "conn_memory.h"
#include "say.h"
#include "scene.h"

#define AUTH_MS  10000u
#define CLOSE_MS 5000u
#define HOUR_MS  (3600u * 1000u)

#define LATE "\x88\x1b\x03\xf0not authenticated in time" /* a close frame, 1008 */

static const char *recognized_in; /* the callback in which the app does so; NULL: none */

static void recognize(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    (void)msg;
    if (recognized_in && strcmp(event, recognized_in) == 0)
        assert_int_equal(crew_conn_authenticated(conn), 0);
}

static void set_times(struct stage *stage) {
    stage->config.limits.auth_timeout_ms = AUTH_MS;
    stage->config.limits.close_timeout_ms = CLOSE_MS;
    stage->react = recognize;
    recognized_in = NULL;
}

static struct scene websocket = {LISTEN_WEBSOCKET, set_times};
static const struct scene http = {LISTEN_HTTP, set_times};

/* In `ms` and not before; a WebSocket's answer is awaited then. */
static void expect_late(struct stage *stage, struct peer *peer, uint64_t ms) {
    stage_pass_most(stage, ms);
    stage_expect_out(peer, "");
    assert_false(peer->is_shut || peer->is_closed);
    stage_pass_rest(stage);
    stage_expect_out(peer, LATE);
    peer_end(peer);
    stage_run(stage);
    assert_true(peer->is_closed);
}

static void test_who_is_not_recognized_is_ended(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    expect_late(stage, peer, AUTH_MS);
    stage_expect(stage, "a error not authenticated in time; a close timeout");
    assert_int_equal(stage->worker.conns.totals.timeouts, 1);
}

static void test_nothing_that_it_says_gives_it_time(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    for (uint64_t passed = STAGE_TICK_MS; passed < AUTH_MS; passed += STAGE_TICK_MS) {
        say_text(peer, "let me in");
        say_frame(peer, SAY_PONG, "", 0);
        stage_pass(stage, STAGE_TICK_MS);
    }
    assert_false(peer->is_closed);
    stage_pass_rest(stage);
    stage_expect_out(peer, LATE);
}

/* An app that pauses while it asks its database gives no more time by that. */
static void test_a_pause_gives_it_no_time(void **state) {
    struct stage *stage = *state;
    crew_conn_pause(stage->peers[0]->conn);
    expect_late(stage, stage->peers[0], AUTH_MS);
}

static void test_who_is_recognized_stays(void **state) {
    static const char *const callbacks[] = {"connect", "open", "message"};
    (void)state;
    for (size_t i = 0; i < sizeof(callbacks) / sizeof(callbacks[0]); i++) {
        struct stage *stage = scene_open(&websocket);
        recognized_in = callbacks[i];
        struct peer *peer = stage_meet(stage, "a");
        say_text(peer, "it is me");
        stage_pass(stage, HOUR_MS);
        assert_false(peer->is_shut || peer->is_closed);
        assert_int_equal(crew_conn_authenticated(peer->conn), 0); /* again */
        stage_free(stage);
    }
}

static void test_every_protocol_has_it(void **state) {
    static const enum listen_protocol protocols[] = {LISTEN_TEXT, LISTEN_FRAME, LISTEN_TCP};
    (void)state;
    for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
        struct scene scene = {protocols[i], set_times};
        struct stage *stage = scene_open(&scene);
        struct peer *peer = stage_meet(stage, "a");
        stage_expect_end(stage, peer, AUTH_MS);
        stage_expect_out(peer, "");
        peer_end(peer);
        stage_run(stage);
        stage_expect(stage, "a error not authenticated in time; a close timeout");
        stage_free(stage);
    }
}

/* A request proves nothing, but nor is it a connection that stays. */
static void test_plain_http_is_not_concerned(void **state) {
    (void)state;
    struct stage *stage = scene_open(&http);
    stage->react = stage_answer;
    struct peer *peer = stage_join(stage, "a");
    stage_say(peer, SAY_GET);
    stage_pass(stage, HOUR_MS);
    assert_false(peer->is_shut || peer->is_closed);
    stage_free(stage);
}

static void no_message(crew_conn *conn, const crew_msg *msg) {
    (void)conn;
    (void)msg;
}

/* From the handshake on, not from the first request. */
static void test_an_upgrade_of_http_is(void **state) {
    (void)state;
    struct stage *stage = scene_open(&http);
    stage->react = stage_answer;
    stage->service.app.on_message = no_message;
    struct peer *peer = stage_join(stage, "a");
    stage_say(peer, SAY_GET);
    stage_pass(stage, HOUR_MS);
    say_handshake(peer, NULL);
    stage_run(stage);
    peer_forget(peer);
    expect_late(stage, peer, AUTH_MS);
    stage_free(stage);
}

static void test_each_has_its_own_time(void **state) {
    struct stage *stage = *state;
    stage_pass(stage, AUTH_MS / 2);
    struct peer *second = stage_meet(stage, "b"), *third = stage_meet(stage, "c");
    crew_conn_destroy(second->conn);
    expect_late(stage, stage->peers[0], AUTH_MS / 2);
    stage_expect_out(third, "");
    stage_pass(stage, AUTH_MS / 2);
    stage_expect_out(third, LATE);
}

static int told_late;

static void recognize_too_late(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    (void)msg;
    if (strcmp(event, "close") == 0)
        told_late = crew_conn_authenticated(conn);
}

static void test_the_call_has_answers(void **state) {
    struct stage *stage = *state;
    stage->react = recognize_too_late;
    crew_conn_close(stage->peers[0]->conn);
    assert_int_equal(crew_conn_authenticated(stage->peers[0]->conn), CREW_ECLOSED);
    crew_conn_destroy(stage->peers[0]->conn);
    stage_run(stage);
    assert_int_equal(told_late, CREW_ECLOSED);
    assert_int_equal(crew_conn_authenticated(NULL), CREW_ENOENT);
}

static void set_no_time(struct stage *stage) {
    set_times(stage);
    stage->config.limits.auth_timeout_ms = 0;
}

static void test_without_a_limit_it_means_nothing(void **state) {
    static const struct scene scene = {LISTEN_WEBSOCKET, set_no_time};
    (void)state;
    struct stage *stage = scene_open(&scene);
    struct peer *peer = stage_meet(stage, "a");
    assert_null(conn_guest(peer->conn));
    assert_int_equal(crew_conn_authenticated(peer->conn), 0);
    stage_pass(stage, HOUR_MS);
    assert_false(peer->is_closed);
    stage_free(stage);
}

static void set_state(struct stage *stage) {
    set_times(stage);
    stage->service.app.state_size = 100;
}

/* It lies behind that of the limit. */
static void test_the_state_of_the_app_has_its_own_place(void **state) {
    static const struct scene scene = {LISTEN_WEBSOCKET, set_state};
    static const char zeros[100];
    (void)state;
    struct stage *stage = scene_open(&scene);
    struct peer *peer = stage_meet(stage, "a");
    char *memory = crew_conn_state(peer->conn);
    assert_int_equal((uintptr_t)memory % _Alignof(max_align_t), 0);
    assert_memory_equal(memory, zeros, sizeof(zeros));
    memset(memory, 0xff, sizeof(zeros));
    expect_late(stage, peer, AUTH_MS);
    stage_free(stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE_TEST(test_who_is_not_recognized_is_ended, &websocket),
        SCENE_TEST(test_nothing_that_it_says_gives_it_time, &websocket),
        SCENE_TEST(test_a_pause_gives_it_no_time, &websocket),
        cmocka_unit_test(test_who_is_recognized_stays),
        cmocka_unit_test(test_every_protocol_has_it),
        cmocka_unit_test(test_plain_http_is_not_concerned),
        cmocka_unit_test(test_an_upgrade_of_http_is),
        SCENE_TEST(test_each_has_its_own_time, &websocket),
        SCENE_TEST(test_the_call_has_answers, &websocket),
        cmocka_unit_test(test_without_a_limit_it_means_nothing),
        cmocka_unit_test(test_the_state_of_the_app_has_its_own_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
