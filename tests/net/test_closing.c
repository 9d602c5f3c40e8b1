/* SPDX-License-Identifier: MIT
 *
 * Polite ends by a clock that the test moves: what is waited for and for how long, and how many
 * connections are closed by a stop or a reload.
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

#define CLOSE_MS 5000u

static void set_times(struct stage *stage) {
    stage->config.limits.close_timeout_ms = CLOSE_MS;
    stage->react = stage_answer;
}

static struct scene http = {LISTEN_HTTP, set_times};
static struct scene text = {LISTEN_TEXT, set_times};
static struct scene websocket = {LISTEN_WEBSOCKET, set_times};

static void test_a_goodbye_that_is_not_answered(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    crew_conn_close(peer->conn);
    stage_run(stage);
    stage_expect_out(peer, "\x88\2\x03\xe8");
    assert_false(peer->is_shut); /* its own is awaited */
    stage_expect_end(stage, peer, CLOSE_MS);
    stage_expect(stage, "a close local");
    assert_int_equal(stage->worker.conns.totals.timeouts, 1);
}

static void test_a_goodbye_that_is_answered_waits_for_nothing(void **state) {
    (void)state;
    for (int ends = 0; ends < 2; ends++) {
        struct stage *stage = scene_open(&websocket);
        struct peer *peer = stage_meet(stage, "a");
        crew_conn_close(peer->conn);
        if (ends)
            peer_end(peer);
        else
            say_close(peer, 1000);
        stage_run(stage);
        stage_expect(stage, "a close local");
        assert_true(peer->is_closed);
        stage_free(stage);
    }
}

static void test_who_begins_to_close_is_answered_at_once(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    say_close(peer, 4001);
    stage_run(stage);
    stage_expect_out(peer, "\x88\2\x0f\xa1");
    stage_expect(stage, "a close peer"); /* RFC 6455 section 7.1.1: the server ends first */
}

static void test_the_end_of_a_peer_is_awaited_for_so_long(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    crew_conn_close(peer->conn);
    stage_run(stage);
    assert_true(peer->is_shut);
    /* Read and dropped, so that no reset answers it. */
    stage_chatter(stage, peer, "still talking\n", CLOSE_MS);
    assert_false(peer->is_closed);
    stage_pass_rest(stage);
    stage_expect(stage, "a close local");
}

static void test_last_bytes_have_time_as_long_as_they_are_taken(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    peer->room = 0;
    crew_conn_send(peer->conn, "goodbye", 7);
    crew_conn_close(peer->conn);
    for (int i = 0; i < 7; i++) {
        stage_pass_most(stage, CLOSE_MS);
        peer->room = 1;
    }
    stage_run(stage);
    stage_expect_out(peer, "goodbye");
    assert_false(peer->is_shut); /* a byte is left */
    stage_expect_end(stage, peer, CLOSE_MS);
    stage_expect(stage, "a close local");
}

static size_t count_goodbyes(const struct stage *stage, const char *goodbye) {
    size_t count = 0;
    for (size_t i = 0; i < stage->peer_count; i++)
        count += peer_begins_with(stage->peers[i], goodbye);
    return count;
}

static void test_closes_are_spread_evenly(void **state) {
    (void)state;
    struct stage *stage = scene_open_crowded(&websocket);
    settle_close_all(&stage->worker.settle, CREW_CLOSE_RELOAD, 6400);
    for (unsigned tenth = 1; tenth < 10; tenth++) {
        stage_pass(stage, 640);
        size_t closed = count_goodbyes(stage, "\x88\2\x03\xf4"); /* 1012 */
        size_t fair = tenth * STAGE_PEERS_MAX / 10;
        assert_in_range(closed, fair - 1, fair * 2 + 2);
    }
    stage_pass(stage, 640);
    assert_int_equal(count_goodbyes(stage, "\x88\2\x03\xf4"), STAGE_PEERS_MAX);
    stage_free(stage);
}

static void test_a_stop_closes_all_at_once(void **state) {
    (void)state;
    struct stage *stage = scene_open_crowded(&websocket);
    settle_close_all(&stage->worker.settle, CREW_CLOSE_SHUTDOWN, 0);
    stage_run(stage);
    assert_int_equal(count_goodbyes(stage, "\x88\2\x03\xe9"), STAGE_PEERS_MAX);
    stage_free(stage);
}

/* Who came just before a reload opens first. */
static void test_a_reload_refuses_nobody(void **state) {
    (void)state;
    struct stage *stage = scene_open(&websocket);
    struct peer *peer = stage_join(stage, "a");
    settle_close_all(&stage->worker.settle, CREW_CLOSE_RELOAD, 0);
    stage_pass(stage, 1000);
    say_handshake(peer, NULL);
    say_text(peer, "hello");
    stage_pass(stage, 1000);
    stage_expect(stage, "a connect; a open; a message hello");
    assert_true(peer_begins_with(peer, "HTTP/1.1 101 "));
    assert_memory_equal(peer->out.data + peer->out.len - 4, "\x88\2\x03\xf4", 4);
    stage_free(stage);
}

static void test_an_answer_under_way_is_waited_for(void **state) {
    static const int reasons[] = {CREW_CLOSE_RELOAD, CREW_CLOSE_SHUTDOWN};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct stage *stage = scene_open(&http);
        struct peer *peer = stage_meet(stage, "a");
        stage->react = NULL;
        stage_say(peer, SAY_GET);
        stage_run(stage);
        settle_close_all(&stage->worker.settle, reasons[i], 0);
        stage_pass(stage, 60000);
        assert_false(peer->is_shut);
        crew_conn_send(peer->conn, "ok", 2);
        stage_run(stage);
        assert_non_null(strstr(peer->out.data, "Connection: close\r\n"));
        assert_true(peer->is_shut);
        stage_free(stage);
    }
}

/* A client that just sends one must not be refused by a reload. */
static void test_a_quiet_connection_gets_one_more_request_at_a_reload(void **state) {
    (void)state;
    struct stage *stage = scene_open(&http);
    struct peer *quiet = stage_meet(stage, "a");
    stage->worker.lifecycle.stage = STAGE_CLOSING;
    settle_close_all(&stage->worker.settle, CREW_CLOSE_RELOAD, 0);
    stage_pass(stage, 1000);
    assert_false(quiet->is_shut);
    stage_say(quiet, SAY_GET);
    stage_pass(stage, 1000);
    assert_non_null(strstr(quiet->out.data, "Connection: close\r\n"));
    assert_true(quiet->is_shut);
    stage_free(stage);
    stage = scene_open(&http);
    quiet = stage_meet(stage, "a");
    settle_close_all(&stage->worker.settle, CREW_CLOSE_SHUTDOWN, 0);
    stage_run(stage);
    assert_true(quiet->is_shut);
    stage_free(stage);
}

/* The last deadline of a worker is a timer: it may come between a read and the turn's end. */
static void test_who_has_more_to_read_is_told_of_its_end(void **state) {
    (void)state;
    struct stage *stage = stage_new(LISTEN_TCP);
    stage_start(stage, &transport_memory_hiding);
    struct peer *peer = stage_meet(stage, "a");
    peer->piece = 2;
    stage_say(peer, "hello");
    conn_ready(peer->conn, POLLER_READABLE);
    settle_destroy_all(&stage->worker.settle, CREW_CLOSE_SHUTDOWN);
    stage_expect(stage, "a message he; a close shutdown");
    assert_true(peer->is_closed);
    stage_free(stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE_TEST(test_a_goodbye_that_is_not_answered, &websocket),
        cmocka_unit_test(test_a_goodbye_that_is_answered_waits_for_nothing),
        SCENE_TEST(test_who_begins_to_close_is_answered_at_once, &websocket),
        SCENE_TEST(test_the_end_of_a_peer_is_awaited_for_so_long, &text),
        SCENE_TEST(test_last_bytes_have_time_as_long_as_they_are_taken, &text),
        cmocka_unit_test(test_closes_are_spread_evenly),
        cmocka_unit_test(test_a_stop_closes_all_at_once),
        cmocka_unit_test(test_a_reload_refuses_nobody),
        cmocka_unit_test(test_an_answer_under_way_is_waited_for),
        cmocka_unit_test(test_a_quiet_connection_gets_one_more_request_at_a_reload),
        cmocka_unit_test(test_who_has_more_to_read_is_told_of_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
