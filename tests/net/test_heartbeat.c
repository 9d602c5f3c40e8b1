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
#include "stage.h"

#define PING_MS 25000u
#define IDLE_MS 60000u

static char ping_text[] = "?", client_ping[] = "ping", client_pong[] = "pong!";

static void echo(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    if (strcmp(event, "message") == 0)
        crew_conn_send(conn, msg->data, msg->len);
}

static struct stage *new_stage(enum listen_protocol protocol, uint64_t ping_ms,
                               uint64_t idle_ms) {
    struct stage *stage = stage_new(protocol);
    stage->config.heartbeat.ping_interval_ms = ping_ms;
    stage->config.heartbeat.idle_timeout_ms = idle_ms;
    stage->react = echo;
    return stage;
}

static struct stage *open_stage(enum listen_protocol protocol) {
    struct stage *stage = new_stage(protocol, PING_MS, IDLE_MS);
    stage_start(stage, &transport_memory);
    return stage;
}

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
    (void)state;
    struct stage *stage = open_stage(LISTEN_WEBSOCKET);
    struct peer *peer = stage_meet(stage, "a");
    stage_pass(stage, PING_MS - 1);
    assert_int_equal(count_pings(peer), 0);
    stage_pass(stage, STAGE_SLACK_MS);
    assert_int_equal(count_pings(peer), 1);
    stage_pass(stage, IDLE_MS - PING_MS - STAGE_SLACK_MS);
    assert_int_equal(count_pings(peer), 2);
    assert_false(peer->is_closed);
    peer_forget(peer);
    stage_pass(stage, STAGE_SLACK_MS + 1);
    stage_expect(stage, "a close heartbeat");
    assert_true(peer->is_closed);
    stage_expect_out(peer, "\x88\x11\x03\xe9no sign of life"); /* 1001, should it be there */
    assert_int_equal(stage->worker.conns.totals.reaped, 1);
    stage_free(stage);
}

static void test_who_answers_lives_for_ever(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_WEBSOCKET);
    struct peer *peer = stage_meet(stage, "a");
    for (int i = 0; i < 50; i++) {
        stage_pass(stage, PING_MS + STAGE_SLACK_MS);
        assert_int_equal(count_pings(peer), 1);
        stage_pass(stage, 120);
        answer_last_ping(peer);
        stage_run(stage);
        assert_in_range(peer->conn->rtt_ms, 120, 120 + STAGE_SLACK_MS);
    }
    assert_int_equal(stage->worker.conns.totals.reaped, 0);
    stage_free(stage);
}

static void test_the_round_trip_is_that_of_the_ping_that_is_answered(void **state) {
    static const char wrong[] = "\xff\xff\xff\xff";
    (void)state;
    struct stage *stage = open_stage(LISTEN_WEBSOCKET);
    struct peer *peer = stage_meet(stage, "a");
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
    stage_free(stage);
}

static void test_nobody_is_asked_who_talks(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_WEBSOCKET);
    stage->react = NULL;
    struct peer *peer = stage_meet(stage, "a");
    for (int i = 0; i < 30; i++) {
        stage_pass(stage, PING_MS - STAGE_TICK_MS);
        say_text(peer, "hello");
        stage_run(stage);
    }
    assert_int_equal(peer->out.len, 0);
    stage_free(stage);
}

/* A ping of its own, an unasked pong, a byte of something unfinished. */
static void test_any_byte_is_life(void **state) {
    (void)state;
    struct stage *stage = new_stage(LISTEN_WEBSOCKET, 0, IDLE_MS);
    stage_start(stage, &transport_memory);
    struct peer *peer = stage_meet(stage, "a");
    for (unsigned i = 0; i < 12; i++) {
        say_frame(peer, i % 2 ? SAY_PING : SAY_PONG, "", 0);
        stage_pass(stage, IDLE_MS - STAGE_TICK_MS);
        assert_false(peer->is_closed);
    }
    stage_free(stage);
    stage = new_stage(LISTEN_TEXT, 0, IDLE_MS);
    stage_start(stage, &transport_memory);
    peer = stage_meet(stage, "a");
    for (int i = 0; i < 8; i++) {
        stage_say(peer, "x"); /* never a whole line */
        stage_pass(stage, IDLE_MS - STAGE_TICK_MS);
    }
    stage_expect(stage, "");
    stage_pass(stage, STAGE_TICK_MS + STAGE_SLACK_MS);
    stage_expect(stage, "a close heartbeat");
    stage_free(stage);
}

static void test_what_is_sent_proves_nothing(void **state) {
    (void)state;
    struct stage *stage = new_stage(LISTEN_TEXT, 0, IDLE_MS);
    stage_start(stage, &transport_memory);
    struct peer *peer = stage_meet(stage, "a");
    for (unsigned i = 0; i < IDLE_MS / STAGE_TICK_MS - 1; i++) {
        assert_int_equal(crew_conn_send(peer->conn, "news", 4), CREW_SENT);
        stage_pass(stage, STAGE_TICK_MS);
    }
    stage_expect(stage, "");
    stage_pass(stage, STAGE_TICK_MS + STAGE_SLACK_MS);
    stage_expect(stage, "a close heartbeat");
    stage_free(stage);
}

/* Its last word would stand behind what it does not take. */
static void test_nothing_waits_for_a_dead_one(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_WEBSOCKET);
    struct peer *peer = stage_meet(stage, "a");
    peer->room = 0;
    crew_conn_send_text(peer->conn, "news", 4);
    stage_pass(stage, IDLE_MS + STAGE_SLACK_MS);
    stage_expect(stage, "a close heartbeat");
    assert_true(peer->is_closed);
    assert_int_equal(peer->out.len, 0);
    stage_free(stage);
}

/* Who takes a stream that never ends is asked too, behind what is queued. */
static void test_a_ping_goes_behind_a_queue(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_WEBSOCKET);
    struct peer *peer = stage_meet(stage, "a");
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
    stage_free(stage);
}

static void test_ping_data_is_a_message(void **state) {
    (void)state;
    struct stage *stage = new_stage(LISTEN_TEXT, PING_MS, IDLE_MS);
    stage->config.heartbeat.ping_data = ping_text;
    stage_start(stage, &transport_memory);
    struct peer *peer = stage_meet(stage, "a");
    for (int i = 0; i < 4; i++) {
        stage_pass(stage, PING_MS + STAGE_SLACK_MS);
        stage_expect_out(peer, "?\n");
        stage_pass(stage, 70);
        stage_say(peer, "here\n"); /* any message answers it */
        stage_run(stage);
        stage_expect_out(peer, "here\n");
        assert_in_range(peer->conn->rtt_ms, 70, 70 + STAGE_SLACK_MS);
    }
    stage_free(stage);
    stage = new_stage(LISTEN_WEBSOCKET, PING_MS, IDLE_MS);
    stage->config.heartbeat.ping_data = ping_text;
    stage_start(stage, &transport_memory);
    peer = stage_meet(stage, "a");
    stage_pass(stage, PING_MS + STAGE_SLACK_MS);
    stage_expect_out(peer, "\x81\1?"); /* what scripts of a browser can see */
    stage_free(stage);
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
        struct stage *stage = new_stage(cases[i].protocol, PING_MS, IDLE_MS);
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
    (void)state;
    struct stage *stage = new_stage(LISTEN_TEXT, 0, IDLE_MS);
    stage->config.heartbeat.client_ping = client_ping;
    stage->config.heartbeat.client_pong = client_pong;
    stage_start(stage, &transport_memory);
    struct peer *peer = stage_meet(stage, "a");
    for (int i = 0; i < 4; i++) {
        stage_say(peer, "ping\n");
        stage_pass(stage, IDLE_MS - STAGE_TICK_MS);
        stage_expect_out(peer, "pong!\n");
    }
    stage_expect(stage, "");
    stage_say(peer, "pin\npingping\nPING\n");
    stage_run(stage);
    stage_expect(stage, "a message pin; a message pingping; a message PING");
    stage_free(stage);
}

static void test_client_ping_without_an_answer_is_only_life(void **state) {
    (void)state;
    struct stage *stage = new_stage(LISTEN_WEBSOCKET, 0, IDLE_MS);
    stage->config.heartbeat.client_ping = client_ping;
    stage_start(stage, &transport_memory);
    struct peer *peer = stage_meet(stage, "a");
    for (int i = 0; i < 4; i++) {
        say_text(peer, "ping");
        stage_pass(stage, IDLE_MS - STAGE_TICK_MS);
    }
    stage_expect(stage, "");
    assert_int_equal(peer->out.len, 0);
    stage_free(stage);
}

static void test_off_means_off(void **state) {
    static const enum listen_protocol protocols[] = {LISTEN_TCP, LISTEN_TEXT, LISTEN_WEBSOCKET};
    (void)state;
    for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
        struct stage *stage = new_stage(protocols[i], 0, 0);
        stage_start(stage, &transport_memory);
        struct peer *peer = stage_meet(stage, "a");
        stage_pass(stage, 24 * 3600 * 1000u);
        assert_false(peer->is_closed);
        assert_int_equal(peer->out.len, 0);
        stage_free(stage);
    }
}

static void test_a_pause_is_not_the_peers_silence(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_WEBSOCKET);
    struct peer *peer = stage_meet(stage, "a");
    crew_conn_pause(peer->conn);
    stage_pass(stage, 10 * IDLE_MS);
    assert_int_equal(peer->out.len, 0);
    crew_conn_resume(peer->conn);
    stage_pass(stage, IDLE_MS - STAGE_TICK_MS); /* it begins anew */
    assert_false(peer->is_closed);
    stage_pass(stage, STAGE_TICK_MS + STAGE_SLACK_MS);
    stage_expect(stage, "a close heartbeat");
    stage_free(stage);
}

/* A loop that stood still, or a process that was stopped: no client pays for it. */
static void test_a_late_tick_counts_once(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_WEBSOCKET);
    struct peer *peer = stage_meet(stage, "a");
    for (int i = 0; i < 10; i++) {
        fake_clock_pass(10 * IDLE_MS);
        stage_turn(stage);
    }
    assert_false(peer->is_closed);
    assert_int_equal(peer->out.len, 0);
    stage_free(stage);
}

static void test_only_the_silent_among_many(void **state) {
    (void)state;
    struct stage *stage = new_stage(LISTEN_TEXT, 0, IDLE_MS);
    stage_start(stage, &transport_memory);
    struct peer *peers[STAGE_PEERS_MAX];
    for (int i = 0; i < STAGE_PEERS_MAX; i++)
        peers[i] = stage_meet(stage, "p");
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < STAGE_PEERS_MAX; i += 2)
            stage_say(peers[i], "x\n");
        stage_pass(stage, IDLE_MS / 2);
    }
    for (int i = 0; i < STAGE_PEERS_MAX; i++)
        assert_int_equal(peers[i]->is_closed, i % 2);
    assert_int_equal(stage->worker.conns.totals.reaped, STAGE_PEERS_MAX / 2);
    stage_free(stage);
}

static void test_messages_beyond_their_rate_are_a_fault(void **state) {
    (void)state;
    struct stage *stage = new_stage(LISTEN_WEBSOCKET, 0, 0);
    stage->config.limits.message_rate = 3;
    stage->is_deaf = true;
    stage_start(stage, &transport_memory);
    struct peer *peer = stage_meet(stage, "a");
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
    stage_free(stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_is_silent_is_asked_and_then_dead),
        cmocka_unit_test(test_who_answers_lives_for_ever),
        cmocka_unit_test(test_the_round_trip_is_that_of_the_ping_that_is_answered),
        cmocka_unit_test(test_nobody_is_asked_who_talks),
        cmocka_unit_test(test_any_byte_is_life),
        cmocka_unit_test(test_what_is_sent_proves_nothing),
        cmocka_unit_test(test_nothing_waits_for_a_dead_one),
        cmocka_unit_test(test_a_ping_goes_behind_a_queue),
        cmocka_unit_test(test_ping_data_is_a_message),
        cmocka_unit_test(test_a_protocol_without_a_probe_is_not_asked),
        cmocka_unit_test(test_client_ping_is_answered_without_the_app),
        cmocka_unit_test(test_client_ping_without_an_answer_is_only_life),
        cmocka_unit_test(test_off_means_off),
        cmocka_unit_test(test_a_pause_is_not_the_peers_silence),
        cmocka_unit_test(test_a_late_tick_counts_once),
        cmocka_unit_test(test_only_the_silent_among_many),
        cmocka_unit_test(test_messages_beyond_their_rate_are_a_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
