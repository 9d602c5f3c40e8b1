/* SPDX-License-Identifier: MIT
 *
 * What the peer acknowledges, by a clock and a kernel that the test moves: who is busy
 * receiving has its time to answer a probe from when it can have it; who takes nothing is
 * ended, whatever it says, and whatever the app has paused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "conn.h"
#include "outstanding.h"
#include "protocol_http.h"
#include "say.h"
#include "scene.h"

#define PING_MS 25000u
#define IDLE_MS 60000u
#define SEND_MS 40000u
#define KERNEL  50000 /* bytes on their way, or in the peer's kernel */
#define A_TICK  10000 /* that a slow peer takes in one */

static char filling[3 * 1024 * 1024];

static void set_heartbeat(struct stage *stage) {
    stage->is_deaf = true;
    stage->config.heartbeat.ping_interval_ms = PING_MS;
    stage->config.heartbeat.idle_timeout_ms = IDLE_MS;
    stage->config.limits.max_send_buffer = sizeof(filling) * 2;
    stage->config.limits.close_timeout_ms = 5000;
}

static void set_all(struct stage *stage) {
    set_heartbeat(stage);
    stage->config.limits.send_timeout_ms = SEND_MS;
}

static void set_send_timeout(struct stage *stage) {
    stage->is_deaf = true;
    stage->config.limits.max_send_buffer = sizeof(filling) * 2;
    stage->config.limits.send_timeout_ms = SEND_MS;
}

static struct scene tcp = {LISTEN_TCP, set_all};
static struct scene text = {LISTEN_TEXT, set_all};
static struct scene websocket = {LISTEN_WEBSOCKET, set_all};
static struct scene http = {LISTEN_HTTP, set_all};
static struct scene heartbeat_websocket = {LISTEN_WEBSOCKET, set_heartbeat};
static struct scene quiet_tcp = {LISTEN_TCP, set_send_timeout};
static struct scene quiet_websocket = {LISTEN_WEBSOCKET, set_send_timeout};

/* From now on its kernel is full, with `filling` behind that. */
static void fill(struct stage *stage, struct peer *peer) {
    peer->room = KERNEL;
    peer->unsent = KERNEL;
    crew_conn_send(peer->conn, filling, sizeof(filling));
    stage_run(stage);
}

/* It takes all that there is, slowly; answers the ticks that it needed. */
static unsigned take_all(struct stage *stage, struct peer *peer) {
    unsigned ticks = 0;
    while (peer->conn && peer->conn->out.bytes > 0) {
        peer->room += A_TICK;
        stage_pass(stage, STAGE_TICK_MS);
        ticks++;
    }
    peer->room = SIZE_MAX;
    peer->unsent = 0;
    return ticks;
}

static void test_who_is_busy_receiving_is_not_dead(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    fill(stage, peer);
    assert_true(take_all(stage, peer) > 3 * IDLE_MS / STAGE_TICK_MS);
    stage_expect(stage, "");
    assert_false(peer->is_closed);
}

/* The probe is the last that it was sent: from then on it has the time of any other. */
static void test_its_time_to_answer_begins_with_the_probe(void **state) {
    (void)state;
    for (int answers = 0; answers < 2; answers++) {
        struct stage *stage = scene_open(&websocket);
        struct peer *peer = stage_meet(stage, "a");
        fill(stage, peer);
        take_all(stage, peer);
        assert_memory_equal(peer->out.data + peer->out.len - 6, "\x89\4", 2);
        stage_pass_most(stage, IDLE_MS - PING_MS);
        assert_false(peer->is_closed);
        if (answers)
            say_frame(peer, SAY_PONG, peer->out.data + peer->out.len - 4, 4);
        stage_pass_rest(stage);
        stage_pass(stage, STAGE_TICK_MS);
        stage_expect(stage, answers ? "a pong" : "a close heartbeat");
        stage_free(stage);
    }
}

/* Without a probe the mark stands in the middle of idle_timeout, behind all that was sent. */
static void test_who_cannot_be_asked_has_half_of_the_time(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    fill(stage, peer);
    take_all(stage, peer);
    stage_pass_most(stage, IDLE_MS / 2);
    assert_false(peer->is_closed);
    stage_pass_rest(stage);
    stage_pass(stage, STAGE_TICK_MS);
    stage_expect(stage, "a close heartbeat");
}

/* It is heard of while it is waited for: the next silence is one like any other. */
static void test_who_speaks_begins_anew(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    fill(stage, peer);
    take_all(stage, peer);
    say_text(peer, "here");
    stage_run(stage);
    peer_forget(peer);
    stage_pass_most(stage, IDLE_MS);
    assert_memory_equal(peer->out.data, "\x89\4", 2);
    assert_false(peer->is_closed);
    stage_pass_rest(stage);
    stage_expect(stage, "a close heartbeat");
}

/* A silent peer whose kernel takes a little all the time: `unsent` of it was on its way when
 * the probe was due. */
static void reap_with_a_broadcast(struct stage *stage, int64_t unsent) {
    struct peer *peer = stage->peers[0];
    for (unsigned i = 0; i < IDLE_MS / STAGE_TICK_MS - 1; i++) {
        peer->unsent = unsent;
        crew_conn_send(peer->conn, "news", 4);
        stage_pass(stage, STAGE_TICK_MS);
    }
    assert_false(peer->is_closed);
    stage_pass_rest(stage);
    stage_pass(stage, STAGE_TICK_MS);
    stage_expect(stage, "a close heartbeat");
}

static void test_what_is_sent_behind_the_probe_gains_nothing(void **state) {
    reap_with_a_broadcast(*state, 0);
}

static void test_what_was_on_its_way_is_no_excuse_for_ever(void **state) {
    reap_with_a_broadcast(*state, 4);
}

static void test_who_stops_in_the_middle_is_dead(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    fill(stage, peer);
    for (int i = 0; i < 100; i++) {
        peer->room += A_TICK;
        stage_pass(stage, STAGE_TICK_MS);
    }
    stage_pass_most(stage, IDLE_MS);
    assert_false(peer->is_closed);
    stage_pass_rest(stage);
    stage_expect(stage, "a close heartbeat");
}

/* Whatever it says meanwhile. */
static void test_who_never_reads_is_ended(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    bool is_websocket = stage->config.listen.protocol == LISTEN_WEBSOCKET;
    fill(stage, peer);
    stage_forget(stage);
    for (unsigned i = 0; i < SEND_MS / STAGE_TICK_MS - 1; i++) {
        if (is_websocket)
            say_frame(peer, SAY_PONG, "", 0);
        else
            stage_say(peer, "x\n");
        stage_pass(stage, STAGE_TICK_MS);
    }
    assert_false(peer->is_closed);
    stage_forget(stage);
    stage_pass_rest(stage);
    stage_expect(stage, "a close timeout");
    assert_int_equal(stage->worker.conns.totals.timeouts, 1);
    assert_int_equal(stage->worker.conns.totals.reaped, 0);
}

/* The same, while the app has paused it: that is what an app does whose sends are queued. */
static void test_who_never_reads_is_ended_in_a_pause(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    fill(stage, peer);
    stage_pass_most(stage, SEND_MS / 2);
    crew_conn_pause(peer->conn);
    stage_forget(stage);
    stage_pass_most(stage, SEND_MS / 2);
    assert_false(peer->is_closed);
    stage_pass(stage, 2 * STAGE_TICK_MS + STAGE_SLACK_MS);
    stage_expect(stage, "a close timeout");
}

/* What was acknowledged before the queue began is not held against it. */
static void test_a_queue_has_its_time_from_its_beginning(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    for (int i = 0; i < 3; i++) {
        peer->room = 0;
        crew_conn_send(peer->conn, "x", 1);
        stage_pass_most(stage, SEND_MS);
        assert_false(peer->is_closed);
        peer->room = 1000; /* of which the peer acknowledges all but what was there before */
        stage_run(stage);
        assert_int_equal(peer->conn->out.bytes, 0);
    }
    peer->room = 0;
    peer->unsent = 3;
    crew_conn_send(peer->conn, "x", 1);
    stage_pass_most(stage, SEND_MS);
    assert_false(peer->is_closed);
    stage_pass_rest(stage);
    assert_true(peer->is_closed);
}

static void test_a_pause_with_nothing_outstanding_is_blameless(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    crew_conn_pause(peer->conn);
    stage_pass(stage, 10 * IDLE_MS);
    crew_conn_send(peer->conn, "x", 1); /* and is acknowledged */
    stage_pass(stage, 10 * IDLE_MS);
    stage_expect(stage, "");
    assert_null(peer->conn->outstanding);
}

static struct crew_request *begin_stream(struct stage *stage, struct peer *peer) {
    peer_put(peer, SAY_GET, strlen(SAY_GET));
    stage_run(stage);
    struct crew_request *request = protocol_http_request(peer->conn);
    assert_non_null(request);
    assert_true(crew_reply_begin(request, 200, "text/event-stream") >= 0);
    stage_run(stage);
    return request;
}

/* Its kernel takes what little there is; whether the other has it, only the kernel knows. */
static void test_a_stream_ends_for_who_acknowledges_nothing(void **state) {
    (void)state;
    for (int is_head = 0; is_head < 2; is_head++) {
        struct stage *stage = scene_open(&http);
        struct peer *peer = stage_meet(stage, "a");
        peer->unsent = is_head ? 1 : 0;
        struct crew_request *request = begin_stream(stage, peer);
        if (!is_head) {
            stage_pass(stage, 10 * SEND_MS);
            assert_null(peer->conn->outstanding);
            assert_int_equal(crew_reply_write(request, "x", 1), CREW_SENT);
            peer->unsent = 1;
            stage_run(stage);
        }
        stage_pass_most(stage, SEND_MS);
        assert_false(peer->is_closed);
        stage_pass_rest(stage);
        stage_pass(stage, 2 * STAGE_TICK_MS);
        stage_expect(stage, "a request /a; a close timeout");
        stage_free(stage);
    }
}

static void test_a_stream_lasts_while_it_is_taken(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    struct crew_request *request = begin_stream(stage, peer);
    for (unsigned i = 0; i < 4 * SEND_MS / STAGE_TICK_MS; i++) {
        assert_int_equal(crew_reply_write(request, "xy", 2), CREW_SENT);
        peer->unsent = 1; /* the last piece is on its way */
        stage_pass(stage, STAGE_TICK_MS);
    }
    stage_pass(stage, SEND_MS / 2);
    peer->unsent = 0;
    stage_pass(stage, 10 * SEND_MS);
    stage_expect(stage, "a request /a");
    assert_null(peer->conn->outstanding);
}

/* What went to the kernel before the pause, or in it. */
static void test_a_pause_ends_for_who_acknowledges_nothing(void **state) {
    (void)state;
    for (int is_before = 0; is_before < 2; is_before++) {
        struct stage *stage = scene_open(&tcp);
        struct peer *peer = stage_meet(stage, "a");
        if (is_before) {
            crew_conn_send(peer->conn, "x", 1);
            stage_run(stage);
            peer->unsent = 1;
        }
        crew_conn_pause(peer->conn);
        if (!is_before) {
            stage_pass(stage, 3 * IDLE_MS);
            peer->unsent = 1;
            crew_conn_send(peer->conn, "x", 1);
        }
        stage_pass_most(stage, IDLE_MS);
        assert_false(peer->is_closed);
        stage_pass_rest(stage);
        stage_expect(stage, "a close heartbeat");
        stage_free(stage);
    }
}

static void test_a_pause_with_a_queue_lasts_while_it_is_taken(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    crew_conn_pause(peer->conn);
    fill(stage, peer);
    assert_true(take_all(stage, peer) > 3 * IDLE_MS / STAGE_TICK_MS);
    stage_pass(stage, 10 * IDLE_MS);
    assert_false(peer->is_closed);
}

/* A last message that is taken slowly. */
static void test_an_end_lasts_while_it_is_taken(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    fill(stage, peer);
    crew_conn_close(peer->conn);
    assert_true(take_all(stage, peer) > 3 * IDLE_MS / STAGE_TICK_MS);
    assert_false(peer->is_closed);
    assert_int_equal(peer->conn->out.bytes, 0);
}

/* More than are looked at in one tick would need more peers: here, each in each. */
static void test_each_is_looked_at(void **state) {
    (void)state;
    struct stage *stage = scene_open_crowded(&tcp);
    for (int i = 0; i < STAGE_PEERS_MAX; i++)
        fill(stage, stage->peers[i]);
    assert_int_equal(stage->service.endpoint.reaper.outstanding_count, STAGE_PEERS_MAX);
    for (unsigned tick = 0; tick < SEND_MS / STAGE_TICK_MS + 2; tick++) {
        for (int i = 0; i < STAGE_PEERS_MAX; i += 2)
            stage->peers[i]->unsent--;
        stage_pass(stage, STAGE_TICK_MS);
    }
    for (int i = 0; i < STAGE_PEERS_MAX; i++)
        assert_int_equal(stage->peers[i]->is_closed, i % 2);
    assert_int_equal(stage->service.endpoint.reaper.outstanding_count, STAGE_PEERS_MAX / 2);
    stage_free(stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE_TEST(test_who_is_busy_receiving_is_not_dead, &websocket),
        SCENE_TEST(test_who_is_busy_receiving_is_not_dead, &text),
        SCENE_TEST(test_who_is_busy_receiving_is_not_dead, &tcp),
        cmocka_unit_test(test_its_time_to_answer_begins_with_the_probe),
        SCENE_TEST(test_who_cannot_be_asked_has_half_of_the_time, &text),
        SCENE_TEST(test_who_speaks_begins_anew, &websocket),
        SCENE_TEST(test_what_is_sent_behind_the_probe_gains_nothing, &websocket),
        SCENE_TEST(test_what_is_sent_behind_the_probe_gains_nothing, &text),
        SCENE_TEST(test_what_was_on_its_way_is_no_excuse_for_ever, &websocket),
        SCENE_TEST(test_what_was_on_its_way_is_no_excuse_for_ever, &text),
        SCENE_TEST(test_who_stops_in_the_middle_is_dead, &heartbeat_websocket),
        SCENE_TEST(test_who_never_reads_is_ended, &websocket),
        SCENE_TEST(test_who_never_reads_is_ended, &quiet_websocket),
        SCENE_TEST(test_who_never_reads_is_ended, &text),
        SCENE_TEST(test_who_never_reads_is_ended, &tcp),
        SCENE_TEST(test_who_never_reads_is_ended_in_a_pause, &websocket),
        SCENE_TEST(test_who_never_reads_is_ended_in_a_pause, &tcp),
        SCENE_TEST(test_a_queue_has_its_time_from_its_beginning, &quiet_tcp),
        SCENE_TEST(test_a_pause_with_nothing_outstanding_is_blameless, &tcp),
        SCENE_TEST(test_a_pause_with_nothing_outstanding_is_blameless, &websocket),
        SCENE_TEST(test_a_pause_with_nothing_outstanding_is_blameless, &http),
        cmocka_unit_test(test_a_stream_ends_for_who_acknowledges_nothing),
        SCENE_TEST(test_a_stream_lasts_while_it_is_taken, &http),
        cmocka_unit_test(test_a_pause_ends_for_who_acknowledges_nothing),
        SCENE_TEST(test_a_pause_with_a_queue_lasts_while_it_is_taken, &tcp),
        SCENE_TEST(test_an_end_lasts_while_it_is_taken, &websocket),
        SCENE_TEST(test_an_end_lasts_while_it_is_taken, &text),
        cmocka_unit_test(test_each_is_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
