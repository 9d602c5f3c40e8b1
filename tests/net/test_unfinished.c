/* SPDX-License-Identifier: MIT
 *
 * What has begun must come on: messages, lines, frames, packages and bodies of which too little
 * comes, by a clock that the test moves.
 */
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

#define MESSAGE_MS 30000u
#define RATE       64u
#define WINDOW     (MESSAGE_MS / 1000 * RATE) /* bytes that must come in each MESSAGE_MS */

#define POST "POST /p HTTP/1.1\r\nHost: x\r\n"
#define LONG POST "Content-Length: 100000\r\n"

static char filling[100000];

static ptrdiff_t takes_all(crew_conn *conn, const char *data, size_t len) {
    (void)conn;
    (void)data;
    (void)len;
    return 100000;
}

static ptrdiff_t knows_no_end(crew_conn *conn, const char *data, size_t len) {
    (void)conn;
    (void)data;
    (void)len;
    return 0;
}

static const struct crew_protocol counted = {.name = "counted", .input = takes_all};
static const struct crew_protocol endless = {.name = "endless", .input = knows_no_end};

static void set_times(struct stage *stage) {
    stage->config.limits.message_timeout_ms = MESSAGE_MS;
    stage->config.limits.min_rate = RATE;
    stage->config.limits.close_timeout_ms = 5000;
}

static void set_counted(struct stage *stage) {
    set_times(stage);
    stage->service.app.protocol = &counted;
}

static void set_endless(struct stage *stage) {
    set_times(stage);
    stage->service.app.protocol = &endless;
}

static void on_body(crew_conn *conn, crew_request *request, const char *data, size_t len,
                    int is_last) {
    (void)conn;
    (void)request;
    (void)data;
    (void)len;
    (void)is_last;
}

static void set_streaming(struct stage *stage) {
    set_times(stage);
    stage->service.app.on_body = on_body;
}

static void set_nothing(struct stage *stage) {
    (void)stage;
}

static struct scene websocket = {LISTEN_WEBSOCKET, set_times};
static struct scene text = {LISTEN_TEXT, set_times};
static struct scene http = {LISTEN_HTTP, set_times};

/* What begins something long. */
struct kind {
    enum listen_protocol protocol;
    void (*prepare)(struct stage *stage);
    const char *begin;
    size_t len;
};

static const struct kind kinds[] = {
    /* FIN is not set, masked, 30,000 bytes */
    {LISTEN_WEBSOCKET, set_times, "\x01\xfe\x75\x30\0\0\0\0", 8},
    {LISTEN_TEXT, set_times, "x", 1},
    {LISTEN_FRAME, set_times, "\0\1\0\0", 4},
    {LISTEN_TCP, set_counted, "x", 1},
    {LISTEN_TCP, set_endless, "x", 1},
    {LISTEN_HTTP, set_times, LONG "\r\n", sizeof(LONG "\r\n") - 1},
    {LISTEN_HTTP, set_streaming, LONG "\r\n", sizeof(LONG "\r\n") - 1},
    {LISTEN_HTTP, set_times, POST "Transfer-Encoding: chunked\r\n\r\n10000\r\n",
     sizeof(POST "Transfer-Encoding: chunked\r\n\r\n10000\r\n") - 1},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static struct stage *open_kind(const struct kind *kind, void (*prepare)(struct stage *stage)) {
    struct stage *stage = scene_open(&(struct scene){kind->protocol, prepare});
    struct peer *peer = stage_meet(stage, "a");
    peer_put(peer, kind->begin, kind->len);
    stage_run(stage);
    return stage;
}

/* We have told the peer so, or it is closed. */
static bool has_ended(const struct peer *peer) {
    return !peer->conn || peer->conn->state >= CONN_CLOSING;
}

/* `rate` bytes in each second, for `seconds`, or until it is over. */
static void send_slowly(struct stage *stage, struct peer *peer, size_t rate, unsigned seconds) {
    for (unsigned i = 0; i < seconds && !has_ended(peer); i++) {
        peer_put(peer, filling, rate);
        stage_pass(stage, 1000);
    }
}

static void test_what_comes_too_slowly_is_ended(void **state) {
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct stage *stage = open_kind(&kinds[i], kinds[i].prepare);
        struct peer *peer = stage->peers[0];
        send_slowly(stage, peer, RATE / 2, MESSAGE_MS / 1000 - 1);
        assert_false(has_ended(peer));
        send_slowly(stage, peer, RATE / 2, STAGE_SLACK_MS / 1000 + 1);
        assert_true(has_ended(peer));
        assert_int_equal(stage->worker.conns.totals.timeouts, 1);
        stage_free(stage);
    }
}

static void test_what_comes_on_is_waited_for(void **state) {
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct stage *stage = open_kind(&kinds[i], kinds[i].prepare);
        struct peer *peer = stage->peers[0];
        send_slowly(stage, peer, RATE + RATE / 4, 10 * MESSAGE_MS / 1000);
        assert_false(has_ended(peer));
        stage_free(stage);
    }
}

/* All of a window's bytes at its beginning are as good. */
static void test_it_is_the_window_that_counts(void **state) {
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct stage *stage = open_kind(&kinds[i], kinds[i].prepare);
        struct peer *peer = stage->peers[0];
        for (int window = 0; window < 5; window++) {
            peer_put(peer, filling, WINDOW + 2 * RATE);
            stage_pass(stage, MESSAGE_MS);
            assert_false(has_ended(peer));
        }
        stage_pass(stage, MESSAGE_MS + 2 * STAGE_SLACK_MS);
        assert_true(has_ended(peer));
        stage_free(stage);
    }
}

static void test_a_websocket_is_told_so(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    peer_put(peer, kinds[0].begin, kinds[0].len);
    stage_pass(stage, MESSAGE_MS + STAGE_SLACK_MS);
    stage_expect_out(peer, "\x88\x1d\x03\xf0no complete message in time"); /* 1008 */
    stage_expect(stage, "a error no complete message in time");
    peer_end(peer);
    stage_run(stage);
    stage_expect(stage, "a close timeout");
}

static void test_a_body_is_answered_408(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    stage_say(peer, LONG "\r\n");
    stage_expect_end(stage, peer, MESSAGE_MS);
    assert_true(peer_begins_with(peer, "HTTP/1.1 408 "));
}

/* They are life, and nothing of the message. */
static void test_pings_between_fragments_gain_nothing(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    say_frame(peer, 0x01, filling, 1000);
    for (unsigned second = 0; second < (MESSAGE_MS + STAGE_SLACK_MS) / 1000; second++) {
        say_frame(peer, SAY_PING, filling, 125);
        stage_pass(stage, 1000);
    }
    assert_true(has_ended(peer));
}

/* A thousand times what came: it is that which counts. */
static void test_what_a_message_inflates_to_gains_nothing(void **state) {
    static const unsigned char zeros[75] = {0xec, 0xc1, 0x31, 0x01, 0,    0,    0,   0xc2,
                                            0xa0, 0xf5, 0x4f, 0x6d, 0x0d, 0x0f, 0xa0};
    static const char header[] = "\x41\xcb\0\0\0\0"; /* compressed, not final, 75 bytes */
    (void)state;
    struct stage *stage = stage_new(LISTEN_WEBSOCKET);
    set_times(stage);
    stage->config.websocket.deflate = true;
    stage_start(stage, &transport_memory);
    struct peer *peer = stage_join(stage, "a");
    say_handshake(peer, SAY_DEFLATE);
    peer_put(peer, header, sizeof(header) - 1);
    for (unsigned i = 0; i < (MESSAGE_MS + STAGE_SLACK_MS) / 1000; i++) {
        peer_put(peer, zeros + i, 1);
        stage_pass(stage, 1000);
    }
    stage_expect(stage, "a connect; a open; a error no complete message in time");
    stage_free(stage);
}

/* One byte of a ping a second: each is complete in time. */
static void test_pings_that_come_slowly_are_not_late(void **state) {
    static const char ping[] = "\x89\x84\0\0\0\0ping";
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    for (unsigned second = 0; second < 10 * MESSAGE_MS / 1000; second++) {
        peer_put(peer, ping + second % (sizeof(ping) - 1), 1);
        stage_pass(stage, 1000);
        assert_false(has_ended(peer));
    }
}

static void test_the_beginning_of_a_header_is_one(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    peer_put(peer, "\x81", 1);
    stage_pass_most(stage, MESSAGE_MS);
    assert_false(has_ended(peer));
    stage_pass_rest(stage);
    assert_true(has_ended(peer));
}

/* One byte a time: each is the end of one, and the beginning of the next. */
static void test_what_is_complete_is_not_late(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    stage->is_deaf = true;
    stage_say(peer, "x");
    for (int i = 0; i < 20; i++) {
        stage_say(peer, "\nx");
        stage_pass_most(stage, MESSAGE_MS);
    }
    assert_false(has_ended(peer));
    stage_say(peer, "\n");
    stage_pass(stage, 20 * MESSAGE_MS);
    assert_false(has_ended(peer));
}

static void test_the_clock_stands_while_the_app_has_paused(void **state) {
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct stage *stage = open_kind(&kinds[i], kinds[i].prepare);
        struct peer *peer = stage->peers[0];
        crew_conn_pause(peer->conn);
        stage_pass(stage, 5 * MESSAGE_MS);
        crew_conn_resume(peer->conn);
        stage_pass_most(stage, MESSAGE_MS);
        assert_false(has_ended(peer));
        stage_pass_rest(stage);
        assert_true(has_ended(peer));
        stage_free(stage);
    }
}

/* An answer that is not taken holds up what was pipelined; then the body has all its time. */
static void test_the_clock_stands_while_a_queue_holds_a_body_up(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    stage->react = stage_answer;
    peer->room = 0;
    stage_say(peer, SAY_GET);
    stage_run(stage);
    stage->config.limits.max_send_buffer = 2;
    stage_say(peer, LONG "\r\nx");
    stage_pass(stage, 5 * MESSAGE_MS);
    assert_false(has_ended(peer));
    peer->room = SIZE_MAX;
    stage_pass_most(stage, MESSAGE_MS);
    assert_false(has_ended(peer));
    stage_pass_rest(stage);
    assert_true(has_ended(peer));
}

static void test_zero_is_off(void **state) {
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        if (kinds[i].prepare != set_times)
            continue;
        struct stage *stage = open_kind(&kinds[i], set_nothing);
        stage_pass(stage, 3600 * 1000);
        assert_false(has_ended(stage->peers[0]));
        stage_free(stage);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_comes_too_slowly_is_ended),
        cmocka_unit_test(test_what_comes_on_is_waited_for),
        cmocka_unit_test(test_it_is_the_window_that_counts),
        SCENE_TEST(test_a_websocket_is_told_so, &websocket),
        SCENE_TEST(test_a_body_is_answered_408, &http),
        SCENE_TEST(test_pings_between_fragments_gain_nothing, &websocket),
        cmocka_unit_test(test_what_a_message_inflates_to_gains_nothing),
        SCENE_TEST(test_pings_that_come_slowly_are_not_late, &websocket),
        SCENE_TEST(test_the_beginning_of_a_header_is_one, &websocket),
        SCENE_TEST(test_what_is_complete_is_not_late, &text),
        cmocka_unit_test(test_the_clock_stands_while_the_app_has_paused),
        SCENE_TEST(test_the_clock_stands_while_a_queue_holds_a_body_up, &http),
        cmocka_unit_test(test_zero_is_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
