/* SPDX-License-Identifier: MIT
 *
 * Who is accepted only to be told that there is no place: what the peer of each protocol reads,
 * that nothing it sends destroys the answer, that it ends in time, and that the app never hears
 * of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "conn.h"
#include "say.h"
#include "scene.h"

#define HANDSHAKE_MS 10000u
#define CLOSE_MS     5000u

static void turn_all_away(struct stage *stage) {
    stage->config.limits.handshake_timeout_ms = HANDSHAKE_MS;
    stage->config.limits.close_timeout_ms = CLOSE_MS;
    stage->verdict = ENDPOINT_TURN_AWAY;
    stage->status = 503;
}

static const struct scene http = {LISTEN_HTTP, turn_all_away};
static const struct scene websocket = {LISTEN_WEBSOCKET, turn_all_away};
static const struct scene text = {LISTEN_TEXT, turn_all_away};

static const struct scene *const speakers[] = {&http, &websocket};

static void expect_answer(struct peer *peer, const char *status, const char *retry_after) {
    assert_true(peer_begins_with(peer, "HTTP/1.1 "));
    assert_true(strncmp(peer->out.data + strlen("HTTP/1.1 "), status, strlen(status)) == 0);
    assert_non_null(strstr(peer->out.data, retry_after));
    assert_non_null(strstr(peer->out.data, "\r\nConnection: close\r\n"));
    assert_non_null(strstr(peer->out.data, "try again later\n"));
}

/* All is as if nobody had come. */
static void expect_nobody(struct stage *stage) {
    stage_expect(stage, "");
    assert_int_equal(stage->service.endpoint.count, 0);
    assert_int_equal(stage->service.endpoint.turned_away, 0);
    assert_int_equal(stage->worker.conns.count, 0);
    assert_int_equal(stage->worker.conns.totals.accepted, 0);
}

static void test_the_peer_reads_why_and_ends(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(speakers) / sizeof(speakers[0]); i++) {
        struct stage *stage = scene_open(speakers[i]);
        struct peer *peer = stage_join(stage, "a");
        stage_run(stage);
        expect_answer(peer, "503 Service Unavailable\r\n", "\r\nRetry-After: 5\r\n");
        assert_true(peer->is_shut);
        assert_false(peer->is_closed);
        assert_int_equal(stage->service.endpoint.count, 1);
        assert_int_equal(endpoint_live(&stage->service.endpoint), 0);
        peer_end(peer);
        stage_run(stage);
        assert_true(peer->is_closed);
        expect_nobody(stage);
        stage_free(stage);
    }
}

static void test_too_many_of_one_address_have_a_status_of_their_own(void **state) {
    (void)state;
    struct stage *stage = scene_open(&http);
    stage->status = 429;
    struct peer *peer = stage_join(stage, "a");
    stage_run(stage);
    expect_answer(peer, "429 Too Many Requests\r\n", "\r\nRetry-After: 1\r\n");
    stage_free(stage);
}

/* Before the answer and behind it: to close over unread bytes is a reset. */
static void test_what_it_sends_is_read_and_dropped(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(speakers) / sizeof(speakers[0]); i++) {
        struct stage *stage = scene_open(speakers[i]);
        struct peer *peer = stage_peer(stage, "a");
        stage_say(peer, SAY_GET);
        stage_adopt(stage, peer);
        stage_run(stage);
        size_t len = peer->out.len;
        stage_say(peer, SAY_GET SAY_GET);
        stage_run(stage);
        assert_int_equal(peer->taken, peer->in.len);
        assert_false(peer->is_closed);
        assert_int_equal(peer->out.len, len);
        peer_end(peer);
        stage_run(stage);
        expect_nobody(stage);
        stage_free(stage);
    }
}

static void test_who_does_not_end_is_cut_in_time(void **state) {
    (void)state;
    struct stage *stage = scene_open(&http);
    struct peer *peer = stage_join(stage, "a");
    stage_chatter(stage, peer, "x", CLOSE_MS);
    assert_false(peer->is_closed);
    stage_pass_rest(stage);
    assert_true(peer->is_closed);
    expect_nobody(stage);
    stage_free(stage);
}

/* It has no room for the answer, and then none ever. */
static void test_who_does_not_read_is_cut_in_time(void **state) {
    (void)state;
    struct stage *stage = scene_open(&http);
    struct peer *peer = stage_peer(stage, "a");
    peer->room = 10;
    stage_adopt(stage, peer);
    stage_pass_most(stage, CLOSE_MS);
    assert_false(peer->is_closed);
    stage_pass_rest(stage);
    assert_true(peer->is_closed);
    expect_nobody(stage);
    stage_free(stage);
}

static void test_a_protocol_without_words_just_ends(void **state) {
    (void)state;
    struct stage *stage = scene_open(&text);
    struct peer *peer = stage_join(stage, "a");
    stage_say(peer, "hello\n");
    stage_run(stage);
    stage_expect_out(peer, "");
    assert_true(peer->is_shut);
    assert_false(peer->is_closed);
    peer_end(peer);
    stage_run(stage);
    expect_nobody(stage);
    stage_free(stage);
}

static void test_the_handshake_of_the_transport_comes_first(void **state) {
    (void)state;
    struct stage *stage = stage_new(LISTEN_HTTP);
    turn_all_away(stage);
    stage_start(stage, &transport_memory_hiding);
    struct peer *peer = stage_peer(stage, "a");
    peer->start_takes = 5;
    stage_adopt(stage, peer);
    stage_run(stage);
    stage_expect_out(peer, "");
    stage_say(peer, "hello" SAY_GET);
    stage_run(stage);
    expect_answer(peer, "503 ", "Retry-After");
    peer_end(peer);
    stage_run(stage);
    assert_int_equal(peer->taken, peer->in.len);
    expect_nobody(stage);
    stage_free(stage);
}

static void test_a_handshake_of_the_transport_that_does_not_come(void **state) {
    (void)state;
    struct stage *stage = scene_open(&http);
    struct peer *peer = stage_peer(stage, "a");
    peer->start_takes = 5;
    stage_adopt(stage, peer);
    stage_pass(stage, HANDSHAKE_MS + STAGE_SLACK_MS);
    stage_expect_out(peer, "");
    assert_true(peer->is_closed);
    expect_nobody(stage);
    stage_free(stage);
}

/* None of its functions is called. */
static ptrdiff_t refuse_input(crew_conn *conn, const char *data, size_t len) {
    (void)conn;
    (void)data;
    (void)len;
    fail_msg("the framing was asked");
    return CREW_EPROTO;
}

static void refuse_event(crew_conn *conn) {
    (void)conn;
    fail_msg("the framing was told");
}

static void test_a_framing_of_the_app_is_not_begun(void **state) {
    static const struct crew_protocol framing = {.name = "none",
                                                 .state_size = 100,
                                                 .input = refuse_input,
                                                 .on_connect = refuse_event,
                                                 .on_close = refuse_event};
    (void)state;
    struct stage *stage = stage_new(LISTEN_TCP);
    turn_all_away(stage);
    stage->service.app.protocol = &framing;
    stage_start(stage, &transport_memory);
    struct peer *peer = stage_join(stage, "a");
    stage_say(peer, "hello");
    stage_run(stage);
    peer_end(peer);
    stage_run(stage);
    assert_true(peer->is_closed);
    expect_nobody(stage);
    stage_free(stage);
}

/* A stop does not wait for it longer than for its end. */
static void test_a_stop_takes_it_with_the_others(void **state) {
    (void)state;
    struct stage *stage = scene_open(&http);
    struct peer *peer = stage_join(stage, "a");
    stage_run(stage);
    settle_close_all(&stage->worker.settle, CREW_CLOSE_SHUTDOWN, 0);
    stage_run(stage);
    settle_destroy_all(&stage->worker.settle, CREW_CLOSE_SHUTDOWN);
    assert_true(peer->is_closed);
    expect_nobody(stage);
    stage_free(stage);
}

/* Over a real pair of sockets, where the header is read from the socket itself. */
static void test_the_preface_comes_first(void **state) {
    static const char header[] = "PROXY TCP4 192.0.2.7 198.51.100.1 5000 80\r\n";
    struct address address = {.family = CREW_ADDR_IPV4, .bytes = {127, 0, 0, 1}};
    char answer[1000];
    int ends[2];
    (void)state;
    struct stage *stage = stage_new(LISTEN_HTTP);
    turn_all_away(stage);
    stage->config.proxy_protocol = true;
    stage_start(stage, &transport_tcp);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends),
                     0);
    assert_int_equal(conn_open(&stage->service.endpoint, ends[0], &address), 0);
    struct crew_conn *conn = list_entry(stage->worker.conns.all.next, struct crew_conn, in_all);
    stage_run(stage);
    assert_int_equal(recv(ends[1], answer, sizeof(answer), 0), -1);
    assert_int_equal(send(ends[1], header, sizeof(header) - 1, MSG_NOSIGNAL),
                     sizeof(header) - 1);
    conn_ready(conn, POLLER_READABLE);
    stage_run(stage);
    assert_true(recv(ends[1], answer, sizeof(answer), 0) > 0);
    assert_memory_equal(answer, "HTTP/1.1 503 ", 13);
    shutdown(ends[1], SHUT_WR);
    conn_ready(conn, POLLER_READABLE);
    stage_run(stage);
    expect_nobody(stage);
    close(ends[1]);
    stage_free(stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_peer_reads_why_and_ends),
        cmocka_unit_test(test_too_many_of_one_address_have_a_status_of_their_own),
        cmocka_unit_test(test_what_it_sends_is_read_and_dropped),
        cmocka_unit_test(test_who_does_not_end_is_cut_in_time),
        cmocka_unit_test(test_who_does_not_read_is_cut_in_time),
        cmocka_unit_test(test_a_protocol_without_words_just_ends),
        cmocka_unit_test(test_the_handshake_of_the_transport_comes_first),
        cmocka_unit_test(test_a_handshake_of_the_transport_that_does_not_come),
        cmocka_unit_test(test_a_framing_of_the_app_is_not_begun),
        cmocka_unit_test(test_a_stop_takes_it_with_the_others),
        cmocka_unit_test(test_the_preface_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
