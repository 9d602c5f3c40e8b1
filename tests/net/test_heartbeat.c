/* SPDX-License-Identifier: MIT
 *
 * The heartbeat by a clock that the test moves: who is asked when, what proves life and what
 * does not, and when a connection is dead. The times are those of the default configuration.
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
#include "fake_clock.h"
#include "say.h"
#include "scene.h"

#define PING_MS 25000u
#define IDLE_MS 60000u

static char ping_text[] = "?", client_ping[] = "ping", client_pong[] = "pong!";

static void echo(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    if (strcmp(event, "message") == 0)
        crew_conn_send(conn, msg->data, msg->len);
}

static void set_off(struct stage *stage) {
    stage->react = echo;
}

static void set_idle(struct stage *stage) {
    set_off(stage);
    stage->config.heartbeat.idle_timeout_ms = IDLE_MS;
}

static void set_both(struct stage *stage) {
    set_idle(stage);
    stage->config.heartbeat.ping_interval_ms = PING_MS;
}

static void set_ping_data(struct stage *stage) {
    set_both(stage);
    stage->config.heartbeat.ping_data = ping_text;
}

static void set_client_ping(struct stage *stage) {
    set_idle(stage);
    stage->config.heartbeat.client_ping = client_ping;
}

static void set_client_pong(struct stage *stage) {
    set_client_ping(stage);
    stage->config.heartbeat.client_pong = client_pong;
}

static void set_session(struct stage *stage) {
    set_idle(stage);
    stage->config.udp_session_timeout_ms = IDLE_MS / 2;
}

static void set_rate(struct stage *stage) {
    set_off(stage);
    stage->config.limits.message_rate = 3;
    stage->is_deaf = true;
}

static struct scene websocket = {LISTEN_WEBSOCKET, set_both};
static struct scene unasked_text = {LISTEN_TEXT, set_idle};
static struct scene unasked_websocket = {LISTEN_WEBSOCKET, set_idle};
static struct scene ping_data_text = {LISTEN_TEXT, set_ping_data};
static struct scene ping_data_websocket = {LISTEN_WEBSOCKET, set_ping_data};
static struct scene answered_text = {LISTEN_TEXT, set_client_pong};
static struct scene unanswered_websocket = {LISTEN_WEBSOCKET, set_client_ping};
static struct scene udp = {LISTEN_UDP, set_session};
static struct scene rated_websocket = {LISTEN_WEBSOCKET, set_rate};

/* Pings and nothing else. */
static size_t count_pings(const struct peer *peer) {
    for (size_t i = 0; i < peer->out.len; i += 6)
        assert_memory_equal(peer->out.data + i, "\x89\4", 2);
    assert_int_equal(peer->out.len % 6, 0);
    return peer->out.len / 6;
}

static void answer_last_ping(struct peer *peer) {
    say_frame(peer, SAY_PONG, peer->out.data + peer->out.len - 4, 4);
    peer_forget(peer);
}

static void test_who_is_silent_is_asked_and_then_dead(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    stage_pass(stage, PING_MS - 1);
    assert_int_equal(count_pings(peer), 0);
    stage_pass(stage, STAGE_SLACK_MS);
    assert_int_equal(count_pings(peer), 1);
    stage_pass(stage, IDLE_MS - PING_MS - STAGE_SLACK_MS);
    assert_int_equal(count_pings(peer), 1); /* once in each silence */
    assert_false(peer->is_closed);
    peer_forget(peer);
    stage_pass(stage, STAGE_SLACK_MS + 1);
    stage_expect(stage, "a close heartbeat");
    assert_true(peer->is_closed);
    stage_expect_out(peer, "\x88\x11\x03\xe9no sign of life"); /* 1001, should it be there */
    assert_int_equal(stage->worker.conns.totals.reaped, 1);
}

static void test_who_answers_lives_for_ever(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    for (int i = 0; i < 50; i++) {
        stage_pass(stage, PING_MS + STAGE_SLACK_MS);
        assert_int_equal(count_pings(peer), 1);
        stage_pass(stage, 120);
        answer_last_ping(peer);
        stage_run(stage);
        assert_in_range(peer->conn->rtt_ms, 120, 120 + STAGE_SLACK_MS);
    }
    assert_int_equal(stage->worker.conns.totals.reaped, 0);
}

static void test_the_round_trip_is_that_of_the_ping_that_is_answered(void **state) {
    static const char wrong[] = "\xff\xff\xff\xff";
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    while (peer->out.len == 0)
        stage_pass(stage, 1);
    stage_pass(stage, 450);
    say_frame(peer, SAY_PONG, wrong, 4);
    say_frame(peer, SAY_PONG, "other", 5);
    say_frame(peer, SAY_PONG, "", 0);
    stage_run(stage);
    assert_int_equal(peer->conn->rtt_ms, -1);
    answer_last_ping(peer);
    stage_run(stage);
    assert_int_equal(peer->conn->rtt_ms, 450);
}

static void test_nobody_is_asked_who_talks(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    stage->react = NULL;
    for (int i = 0; i < 30; i++) {
        stage_pass_most(stage, PING_MS);
        say_text(peer, "hello");
        stage_run(stage);
    }
    assert_int_equal(peer->out.len, 0);
}

/* A ping of its own, an unasked pong. */
static void test_any_frame_is_life(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    for (unsigned i = 0; i < 12; i++) {
        say_frame(peer, i % 2 ? SAY_PING : SAY_PONG, "", 0);
        stage_pass_most(stage, IDLE_MS);
        assert_false(peer->is_closed);
    }
}

static void test_a_byte_of_something_unfinished_is_life(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    for (int i = 0; i < 8; i++) {
        stage_say(peer, "x"); /* never a whole line */
        stage_pass_most(stage, IDLE_MS);
    }
    stage_expect(stage, "");
    stage_pass_rest(stage);
    stage_expect(stage, "a close heartbeat");
}

static void test_what_is_sent_proves_nothing(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    for (unsigned i = 0; i < IDLE_MS / STAGE_TICK_MS - 1; i++) {
        assert_int_equal(crew_conn_send(peer->conn, "news", 4), CREW_SENT);
        stage_pass(stage, STAGE_TICK_MS);
    }
    stage_expect(stage, "");
    stage_pass_rest(stage);
    stage_expect(stage, "a close heartbeat");
}

/* Its last word would stand behind what it does not take. */
static void test_nothing_waits_for_a_dead_one(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    peer->room = 0;
    crew_conn_send_text(peer->conn, "news", 4);
    stage_pass(stage, IDLE_MS + STAGE_SLACK_MS);
    stage_expect(stage, "a close heartbeat");
    assert_true(peer->is_closed);
    assert_int_equal(peer->out.len, 0);
}

/* Who takes a stream that never ends is asked too, behind what is queued. */
static void test_a_ping_goes_behind_a_queue(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    peer->room = 0;
    crew_conn_send_text(peer->conn, "news", 4);
    stage_pass(stage, PING_MS + STAGE_SLACK_MS);
    peer->room = SIZE_MAX;
    stage_run(stage);
    assert_int_equal(peer->out.len, 6 + 6);
    assert_memory_equal(peer->out.data, "\x81\4news\x89\4", 8);
    answer_last_ping(peer);
    stage_pass(stage, IDLE_MS - STAGE_SLACK_MS);
    stage_expect(stage, "a pong");
}

static void test_ping_data_is_a_message(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    for (int i = 0; i < 4; i++) {
        stage_pass(stage, PING_MS + STAGE_SLACK_MS);
        stage_expect_out(peer, "?\n");
        stage_pass(stage, 70);
        stage_say(peer, "here\n"); /* any message answers it */
        stage_run(stage);
        stage_expect_out(peer, "here\n");
        assert_in_range(peer->conn->rtt_ms, 70, 70 + STAGE_SLACK_MS);
    }
}

static void test_ping_data_is_what_scripts_of_a_browser_can_see(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    stage_pass(stage, PING_MS + STAGE_SLACK_MS);
    stage_expect_out(peer, "\x81\1?");
}

static ptrdiff_t whole_reads(crew_conn *conn, const char *data, size_t len) {
    (void)conn;
    (void)data;
    return (ptrdiff_t)len;
}

static void test_a_protocol_without_a_probe_is_not_asked(void **state) {
    static const struct crew_protocol framing = {.name = "whole", .input = whole_reads};
    static const struct {
        enum listen_protocol protocol;
        const struct crew_protocol *framing;
    } cases[] = {
        {LISTEN_TCP, NULL}, {LISTEN_TEXT, NULL}, {LISTEN_FRAME, NULL}, {LISTEN_TCP, &framing}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct stage *stage = stage_new(cases[i].protocol);
        set_both(stage);
        stage->service.app.protocol = cases[i].framing;
        stage_start(stage, &transport_memory);
        struct peer *peer = stage_meet(stage, "a");
        stage_pass(stage, IDLE_MS + STAGE_SLACK_MS);
        stage_expect(stage, "a close heartbeat");
        assert_int_equal(peer->out.len, 0);
        stage_free(stage);
    }
}

static void test_client_ping_is_answered_without_the_app(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    for (int i = 0; i < 4; i++) {
        stage_say(peer, "ping\n");
        stage_pass_most(stage, IDLE_MS);
        stage_expect_out(peer, "pong!\n");
    }
    stage_expect(stage, "");
    stage_say(peer, "pin\npingping\nPING\n");
    stage_run(stage);
    stage_expect(stage, "a message pin; a message pingping; a message PING");
}

static void test_client_ping_without_an_answer_is_only_life(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    for (int i = 0; i < 4; i++) {
        say_text(peer, "ping");
        stage_pass_most(stage, IDLE_MS);
    }
    stage_expect(stage, "");
    assert_int_equal(peer->out.len, 0);
}

static void test_off_means_off(void **state) {
    static const enum listen_protocol protocols[] = {LISTEN_TCP, LISTEN_TEXT, LISTEN_WEBSOCKET};
    (void)state;
    for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
        struct stage *stage = scene_open(&(struct scene){protocols[i], set_off});
        struct peer *peer = stage_meet(stage, "a");
        stage_pass(stage, 24 * 3600 * 1000u);
        assert_false(peer->is_closed);
        assert_int_equal(peer->out.len, 0);
        stage_free(stage);
    }
}

static void test_a_pause_is_not_the_peers_silence(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    crew_conn_pause(peer->conn);
    stage_pass(stage, 10 * IDLE_MS);
    assert_int_equal(peer->out.len, 0);
    crew_conn_resume(peer->conn);
    stage_pass_most(stage, IDLE_MS); /* it begins anew */
    assert_false(peer->is_closed);
    stage_pass_rest(stage);
    stage_expect(stage, "a close heartbeat");
}

/* A loop that stood still, or a process that was stopped: no client pays for it. */
static void test_a_late_tick_counts_once(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    for (int i = 0; i < 10; i++) {
        fake_clock_pass(10 * IDLE_MS);
        stage_turn(stage);
    }
    assert_false(peer->is_closed);
    assert_int_equal(peer->out.len, 0);
}

/* libuv's timers come first in the turn behind a pause: also the last tick waits until what
 * came meanwhile has been read. */
static void test_who_spoke_during_a_pause_is_heard(void **state) {
    unsigned looks = 0;
    (void)state;
    for (uint64_t lead = IDLE_MS - STAGE_TICK_MS;; lead += STAGE_TICK_MS / 4) {
        struct stage *stage = scene_open(&unasked_text);
        struct peer *peer = stage_meet(stage, "a");
        stage_pass(stage, lead);
        bool is_over = peer->is_closed;
        stage_say(peer, "x\n");
        fake_clock_pass(10 * STAGE_TICK_MS);
        stage_pass(stage, STAGE_SLACK_MS);
        assert_int_equal(peer->is_closed, is_over);
        stage_free(stage);
        if (is_over)
            break;
        looks++;
    }
    assert_in_range(looks, 4, 12);
}

static void test_only_the_silent_among_many(void **state) {
    (void)state;
    struct stage *stage = scene_open_crowded(&unasked_text);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < STAGE_PEERS_MAX; i += 2)
            stage_say(stage->peers[i], "x\n");
        stage_pass(stage, IDLE_MS / 2);
    }
    for (int i = 0; i < STAGE_PEERS_MAX; i++)
        assert_int_equal(stage->peers[i]->is_closed, i % 2);
    assert_int_equal(stage->worker.conns.totals.reaped, STAGE_PEERS_MAX / 2);
    stage_free(stage);
}

static void test_messages_beyond_their_rate_are_a_fault(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    for (int second = 0; second < 5; second++) {
        for (int i = 0; i < 3; i++)
            say_text(peer, "x");
        stage_pass(stage, 1000);
    }
    stage_expect(stage, "");
    assert_int_equal(peer->conn->messages_in, 15);
    peer_forget(peer);
    for (int i = 0; i < 4; i++)
        say_text(peer, "x");
    stage_run(stage);
    stage_expect(stage, "a error message rate exceeded");
    assert_memory_equal(peer->out.data + 3 * 3, "\x88\x17\x03\xf0", 4); /* 1008 */
}

/* Not the heartbeat's: a peer of udp is heard of only when it sends. */
static void test_a_session_of_udp_has_a_time_of_its_own(void **state) {
    struct stage *stage = *state;
    stage_expect_end(stage, stage->peers[0], IDLE_MS / 2);
    stage_expect(stage, "a close heartbeat");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE_TEST(test_who_is_silent_is_asked_and_then_dead, &websocket),
        SCENE_TEST(test_who_answers_lives_for_ever, &websocket),
        SCENE_TEST(test_the_round_trip_is_that_of_the_ping_that_is_answered, &websocket),
        SCENE_TEST(test_nobody_is_asked_who_talks, &websocket),
        SCENE_TEST(test_any_frame_is_life, &unasked_websocket),
        SCENE_TEST(test_a_byte_of_something_unfinished_is_life, &unasked_text),
        SCENE_TEST(test_what_is_sent_proves_nothing, &unasked_text),
        SCENE_TEST(test_nothing_waits_for_a_dead_one, &websocket),
        SCENE_TEST(test_a_ping_goes_behind_a_queue, &websocket),
        SCENE_TEST(test_ping_data_is_a_message, &ping_data_text),
        SCENE_TEST(test_ping_data_is_what_scripts_of_a_browser_can_see, &ping_data_websocket),
        cmocka_unit_test(test_a_protocol_without_a_probe_is_not_asked),
        SCENE_TEST(test_client_ping_is_answered_without_the_app, &answered_text),
        SCENE_TEST(test_client_ping_without_an_answer_is_only_life, &unanswered_websocket),
        cmocka_unit_test(test_off_means_off),
        SCENE_TEST(test_a_pause_is_not_the_peers_silence, &websocket),
        SCENE_TEST(test_a_late_tick_counts_once, &websocket),
        cmocka_unit_test(test_who_spoke_during_a_pause_is_heard),
        cmocka_unit_test(test_only_the_silent_among_many),
        SCENE_TEST(test_messages_beyond_their_rate_are_a_fault, &rated_websocket),
        SCENE_TEST(test_a_session_of_udp_has_a_time_of_its_own, &udp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
