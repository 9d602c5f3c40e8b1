/* SPDX-License-Identifier: MIT
 *
 * A peer that hangs up while its connection is not read: its end is noticed at once, and what
 * it sent before that is the app's.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "conn.h"
#include "say.h"
#include "scene.h"

#define IDLE_MS 60000u

#define HEAD(len) "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: " #len "\r\n\r\n"

static ptrdiff_t takes_pairs(crew_conn *conn, const char *data, size_t len) {
    (void)conn;
    (void)data;
    return len < 2 ? 0 : 2;
}

static const struct crew_protocol pairs = {.name = "pairs", .input = takes_pairs};

static void set_idle(struct stage *stage) {
    stage->config.heartbeat.idle_timeout_ms = IDLE_MS;
    stage->config.limits.close_timeout_ms = 5000;
}

static void set_pairs(struct stage *stage) {
    set_idle(stage);
    stage->service.app.protocol = &pairs;
}

static void set_answer(struct stage *stage) {
    set_idle(stage);
    stage->react = stage_answer;
}

static struct scene tcp = {LISTEN_TCP, set_idle};
static struct scene text = {LISTEN_TEXT, set_idle};
static struct scene websocket = {LISTEN_WEBSOCKET, set_idle};
static struct scene custom = {LISTEN_TCP, set_pairs};
static struct scene http = {LISTEN_HTTP, set_answer};

/* Its connection is told nothing more, however often the loop turns: it is not told again of
 * what stays. */
static void expect_quiet(struct stage *stage, const struct peer *peer) {
    stage_run(stage);
    assert_int_equal(peer_events(peer), 0);
}

static void test_an_end_in_a_pause_is_one(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    crew_conn_pause(peer->conn);
    stage_run(stage);
    peer_end(peer);
    stage_run(stage);
    stage_expect(stage, "a close peer");
    assert_true(peer->is_closed);
}

static void test_a_reset_in_a_pause_is_one(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    crew_conn_pause(peer->conn);
    stage_run(stage);
    peer->read_error = -ECONNRESET;
    stage_run(stage);
    stage_expect(stage, "a error Connection reset by peer; a close io");
    assert_true(peer->is_closed);
}

/* A message that is not whole will never be. */
static void test_the_beginning_of_something_is_nothing(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    stage_say(peer, "x");
    stage_run(stage);
    crew_conn_pause(peer->conn);
    peer_end(peer);
    stage_run(stage);
    stage_expect(stage, "a close peer");
}

static void test_what_came_before_the_end_is_the_apps(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    crew_conn_pause(peer->conn);
    stage_say(peer, "last words");
    peer_end(peer);
    expect_quiet(stage, peer);
    stage_pass_most(stage, IDLE_MS);
    stage_expect(stage, "");
    crew_conn_resume(peer->conn);
    stage_run(stage);
    stage_expect(stage, "a message last words; a close peer");
}

/* Read before the pause, and handed out behind it. */
static void pause_once(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    if (strcmp(event, "message") == 0 && msg->data[0] == '1')
        crew_conn_pause(conn);
}

static void test_what_was_read_before_the_end_is_the_apps(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    stage->react = pause_once;
    if (stage->config.listen.protocol == LISTEN_TEXT)
        stage_say(peer, "11\n22\n");
    else
        stage_say(peer, "1122");
    stage_run(stage);
    peer_end(peer);
    expect_quiet(stage, peer);
    stage_expect(stage, "a message 11");
    crew_conn_resume(peer->conn);
    stage_run(stage);
    stage_expect(stage, "a message 22; a close peer");
}

static void test_nobody_comes_for_what_came_before_the_end(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    crew_conn_pause(peer->conn);
    stage_pass(stage, 3 * IDLE_MS); /* which does not count */
    stage_say(peer, "last words");
    peer_end(peer);
    stage_pass_most(stage, IDLE_MS);
    stage_expect(stage, "");
    stage_pass_rest(stage);
    stage_expect(stage, "a close peer");
    assert_int_equal(stage->worker.conns.totals.reaped, 0);
}

/* A probe would be taken for the app's answer. */
static void test_who_has_hung_up_is_not_probed(void **state) {
    static char ping_text[] = "?";
    static const enum listen_protocol protocols[] = {LISTEN_TEXT, LISTEN_HTTP};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct stage *stage = stage_new(protocols[i]);
        set_idle(stage);
        stage->config.heartbeat.ping_interval_ms = IDLE_MS / 3;
        stage->config.heartbeat.ping_data = ping_text;
        stage_start(stage, &transport_memory);
        struct peer *peer = stage_meet(stage, "a");
        stage_say(peer, SAY_GET);
        stage_run(stage);
        crew_conn_pause(peer->conn);
        stage_say(peer, "last words");
        peer_end(peer);
        stage_pass_most(stage, IDLE_MS);
        assert_false(peer->is_closed);
        assert_int_equal(peer->out.len, 0);
        stage_free(stage);
    }
}

static void test_a_reset_behind_the_end(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    crew_conn_pause(peer->conn);
    stage_say(peer, "last words");
    peer_end(peer);
    stage_run(stage);
    peer->read_error = -ECONNRESET;
    stage_run(stage);
    stage_expect(stage, "a error Connection reset by peer; a close io");
}

/* The socket is watched for room too. */
static void test_an_end_behind_which_a_queue_waits(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    peer->room = 0;
    crew_conn_pause(peer->conn);
    crew_conn_send(peer->conn, "ours", 4);
    stage_say(peer, "theirs");
    peer_end(peer);
    expect_quiet(stage, peer);
    peer->room = SIZE_MAX;
    expect_quiet(stage, peer);
    stage_expect_out(peer, "ours");
    crew_conn_resume(peer->conn);
    stage_run(stage);
    stage_expect(stage, "a message theirs; a close peer");
}

static void test_an_end_before_a_queue_has_gone(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    peer->room = 0;
    crew_conn_pause(peer->conn);
    crew_conn_send(peer->conn, "ours", 4);
    peer_end(peer);
    expect_quiet(stage, peer);
    assert_false(peer->is_closed);
    peer->room = SIZE_MAX;
    stage_run(stage);
    stage_expect_out(peer, "ours");
    stage_expect(stage, "a close peer");
}

static void test_an_end_in_the_middle_of_a_body(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    stage_say(peer, HEAD(4) "bo");
    stage_run(stage);
    crew_conn_pause(peer->conn);
    peer_end(peer);
    stage_run(stage);
    stage_expect(stage, "a close peer");
}

static void test_a_whole_request_before_the_end_is_answered(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    stage_say(peer, HEAD(4) "bo");
    stage_run(stage);
    crew_conn_pause(peer->conn);
    stage_say(peer, "dy");
    peer_end(peer);
    expect_quiet(stage, peer);
    crew_conn_resume(peer->conn);
    stage_run(stage);
    stage_expect(stage, "a request /p; a close peer");
    assert_true(peer_begins_with(peer, "HTTP/1.1 200 "));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE_TEST(test_an_end_in_a_pause_is_one, &tcp),
        SCENE_TEST(test_an_end_in_a_pause_is_one, &websocket),
        SCENE_TEST(test_an_end_in_a_pause_is_one, &http),
        SCENE_TEST(test_a_reset_in_a_pause_is_one, &tcp),
        SCENE_TEST(test_a_reset_in_a_pause_is_one, &websocket),
        SCENE_TEST(test_a_reset_in_a_pause_is_one, &http),
        SCENE_TEST(test_the_beginning_of_something_is_nothing, &text),
        SCENE_TEST(test_what_came_before_the_end_is_the_apps, &tcp),
        SCENE_TEST(test_what_was_read_before_the_end_is_the_apps, &text),
        SCENE_TEST(test_what_was_read_before_the_end_is_the_apps, &custom),
        SCENE_TEST(test_nobody_comes_for_what_came_before_the_end, &tcp),
        SCENE_TEST(test_nobody_comes_for_what_came_before_the_end, &http),
        cmocka_unit_test(test_who_has_hung_up_is_not_probed),
        SCENE_TEST(test_a_reset_behind_the_end, &tcp),
        SCENE_TEST(test_an_end_behind_which_a_queue_waits, &tcp),
        SCENE_TEST(test_an_end_before_a_queue_has_gone, &tcp),
        SCENE_TEST(test_an_end_in_the_middle_of_a_body, &http),
        SCENE_TEST(test_a_whole_request_before_the_end_is_answered, &http),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
