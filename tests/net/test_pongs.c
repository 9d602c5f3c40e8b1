/* SPDX-License-Identifier: MIT
 *
 * Pings without end of a client that does not read: one answer waits for it at most, beside
 * what is gathered (RFC 6455 section 5.5.3). What leaves is whole frames.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "conn.h"
#include "say.h"
#include "scene.h"

#define PINGS 100000

static void set_deaf(struct stage *stage) {
    stage->is_deaf = true;
}

static struct scene websocket = {LISTEN_WEBSOCKET, set_deaf};

static void say_pings(struct stage *stage, struct peer *peer, int count) {
    char text[8];
    for (int i = 0; i < count; i++) {
        snprintf(text, sizeof(text), "%06d", i);
        say_frame(peer, SAY_PING, text, 6);
        if (i % 1000 == 0)
            stage_run(stage);
    }
    stage_run(stage);
}

static void test_only_the_last_waits(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    peer->room = 0;
    crew_conn_send_text(peer->conn, "before", 6);
    stage_run(stage);
    say_pings(stage, peer, PINGS);
    assert_int_equal(peer->conn->out.bytes, 8 + 8);
    crew_conn_send_text(peer->conn, "behind", 6);
    peer->room = SIZE_MAX;
    stage_run(stage);
    stage_expect_out(peer, "\x81\6before\x8a\6"
                           "099999\x81\6behind");
}

/* Of those of one read the answers are gathered before it is known that there is no room. */
static void test_no_more_waits_than_is_gathered(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    peer->room = 0;
    say_pings(stage, peer, PINGS);
    assert_in_range(peer->conn->out.bytes, 8, CONNS_CORK_SIZE + 8);
    peer->room = SIZE_MAX;
    stage_run(stage);
    assert_int_equal(peer->out.len % 8, 0);
    for (size_t i = 0; i < peer->out.len; i += 8)
        assert_memory_equal(peer->out.data + i, "\x8a\6", 2);
    assert_memory_equal(peer->out.data + peer->out.len - 6, "099999", 6);
}

/* The rest of it must follow. */
static void test_one_that_has_begun_is_finished(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    peer->room = 0;
    crew_conn_send_text(peer->conn, "x", 1);
    stage_run(stage);
    say_frame(peer, SAY_PING, "one", 3);
    stage_run(stage);
    peer->room = 3 + 2;
    stage_run(stage);
    say_frame(peer, SAY_PING, "two", 3);
    say_frame(peer, SAY_PING, "three", 5);
    stage_run(stage);
    peer->room = SIZE_MAX;
    stage_run(stage);
    stage_expect_out(peer, "\x81\1x\x8a\3one\x8a\5three");
}

static void test_who_reads_gets_them_all(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    say_frame(peer, SAY_PING, "one", 3);
    say_frame(peer, SAY_PING, "two", 3);
    stage_run(stage);
    say_frame(peer, SAY_PING, "three", 5);
    stage_run(stage);
    stage_expect_out(peer, "\x8a\3one\x8a\3two\x8a\5three");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE_TEST(test_only_the_last_waits, &websocket),
        SCENE_TEST(test_no_more_waits_than_is_gathered, &websocket),
        SCENE_TEST(test_one_that_has_begun_is_finished, &websocket),
        SCENE_TEST(test_who_reads_gets_them_all, &websocket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
