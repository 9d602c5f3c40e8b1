/* SPDX-License-Identifier: MIT
 *
 * What is sent to a connection leaves in order and in few writes, whoever sends it and however
 * the connection ends: gathering, its bounds, back-pressure. Writes are counted, and bytes are
 * compared.
 */
#include <errno.h>
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
#include "stage.h"

#define GATHERED_MAX (64u * 1024u)

static char filling[256 * 1024];
static struct peer *target;

static struct stage *open_stage(enum listen_protocol protocol, size_t max_send_buffer,
                                void (*react)(struct crew_conn *conn, const char *event,
                                              const crew_msg *msg)) {
    struct stage *stage = stage_new(protocol);
    stage->config.limits.max_send_buffer = max_send_buffer;
    stage->react = react;
    stage_start(stage, &transport_memory);
    target = NULL;
    memset(filling, 'x', sizeof(filling));
    return stage;
}

static bool is_message(const char *event) {
    return strcmp(event, "message") == 0;
}

static void send_and_close_target(struct crew_conn *conn, const char *event,
                                  const crew_msg *msg) {
    (void)conn;
    if (!is_message(event))
        return;
    assert_int_equal(crew_conn_send(target->conn, "one", 3), CREW_SENT);
    assert_int_equal(crew_conn_send(target->conn, "two", 3), CREW_SENT);
    if (msg->data[0] == 'c')
        crew_conn_close(target->conn);
    else if (msg->data[0] == 'd')
        crew_conn_destroy(target->conn);
    else
        return;
    assert_int_equal(crew_conn_send(target->conn, "late", 4), CREW_ECLOSED);
}

static void test_what_was_sent_goes_before_a_close(void **state) {
    static const char *const ways[] = {"x\n", "c\n", "d\n"};
    (void)state;
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct stage *stage = open_stage(LISTEN_TEXT, 1024 * 1024, send_and_close_target);
        struct peer *sender = stage_join(stage, "a");
        target = stage_join(stage, "b");
        stage_say(sender, ways[i]);
        stage_run(stage);
        assert_int_equal(target->writes, 1);
        stage_expect_out(target, "one\ntwo\n");
        assert_int_equal(target->is_shut, i == 1);
        assert_int_equal(target->is_closed, i == 2);
        stage_free(stage);
    }
}

static void test_a_close_frame_stands_behind_what_was_gathered(void **state) {
    static const char expected[] = "\x81\3one\x81\3two\x88\2\x03\xe8";
    (void)state;
    struct stage *stage = open_stage(LISTEN_WEBSOCKET, 1024 * 1024, send_and_close_target);
    struct peer *sender = stage_join(stage, "a");
    target = stage_join(stage, "b");
    say_handshake(sender, NULL);
    say_handshake(target, NULL);
    stage_run(stage);
    peer_forget(target);
    say_text(sender, "c");
    stage_run(stage);
    assert_int_equal(target->writes, 1);
    stage_expect_out(target, expected);
    stage_free(stage);
}

/* The peer's end is read in the same turn, before or behind the send. */
static void test_what_was_sent_goes_before_the_end_of_a_peer(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_TEXT, 1024 * 1024, send_and_close_target);
    struct peer *sender = stage_join(stage, "a");
    target = stage_join(stage, "b");
    stage_say(sender, "x\n");
    peer_end(target);
    stage_turn(stage);
    stage_expect_out(target, "one\ntwo\n");
    assert_true(target->is_closed);
    stage_free(stage);
}

static void send_in_close(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    (void)conn;
    (void)msg;
    if (strcmp(event, "close") == 0 && target->conn && target->conn != conn) {
        crew_conn_send(target->conn, "left", 4);
        crew_conn_send(target->conn, "gone", 4);
    }
}

static void test_what_is_sent_in_on_close_leaves_in_that_turn(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_TEXT, 1024 * 1024, send_in_close);
    struct peer *sender = stage_join(stage, "a");
    target = stage_join(stage, "b");
    peer_end(sender);
    stage_turn(stage);
    assert_int_equal(target->writes, 1);
    stage_expect_out(target, "left\ngone\n");
    stage_free(stage);
}

/* Outside of any callback of a connection: a timer of the app's, say. */
static void test_what_nobody_reads_for_is_gathered_too(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_TEXT, 1024 * 1024, NULL);
    target = stage_join(stage, "b");
    for (int i = 0; i < 16; i++)
        assert_int_equal(crew_conn_send(target->conn, "tick", 4), CREW_SENT);
    assert_int_equal(target->writes, 0);
    stage_turn(stage);
    assert_int_equal(target->writes, 1);
    assert_int_equal(target->out.len, 16 * 5);
    stage_free(stage);
}

/* Its own answers go to the cork buffer; what was gathered for it before goes first. */
static void answer_and_tell(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    if (!is_message(event))
        return;
    if (target->conn != conn)
        crew_conn_send(target->conn, "told", 4);
    crew_conn_send(conn, msg->data, msg->len);
}

static void test_gathered_and_corked_bytes_keep_their_order(void **state) {
    /* By who is read first in a turn. */
    static const char *const expected[] = {"told\ntold\n1\n2\n3\n", "1\n2\ntold\ntold\n3\n"};
    (void)state;
    for (int is_first = 0; is_first < 2; is_first++) {
        struct stage *stage = open_stage(LISTEN_TEXT, 1024 * 1024, answer_and_tell);
        struct peer *peers[] = {stage_join(stage, "a"), stage_join(stage, "b")};
        target = peers[!is_first];
        stage_say(peers[is_first], "x\ny\n");
        stage_say(target, "1\n2\n");
        stage_turn(stage);
        stage_say(target, "3\n");
        stage_turn(stage);
        stage_expect_out(target, expected[is_first]);
        stage_free(stage);
    }
}

static void send_much(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    (void)conn;
    (void)msg;
    for (int i = 0; is_message(event) && i < 20; i++) {
        assert_int_equal(crew_conn_send(target->conn, filling, 10000), CREW_SENT);
        size_t kept = target->conn->out.bytes;
        assert_true(kept <= GATHERED_MAX);
        assert_int_equal(target->out.len + kept, 10000 * (size_t)(i + 1));
    }
}

static void test_no_more_is_gathered_than_the_bound(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_TCP, 1024 * 1024, send_much);
    struct peer *sender = stage_join(stage, "a");
    target = stage_join(stage, "b");
    stage_say(sender, "x");
    stage_turn(stage);
    assert_int_equal(target->out.len, 200000);
    assert_true(target->writes <= 20000 * 10 / GATHERED_MAX * 2 + 2);
    stage_free(stage);
}

/* What is longer than the bound goes behind what is gathered, at once. */
static void send_long_behind_short(struct crew_conn *conn, const char *event,
                                   const crew_msg *msg) {
    (void)conn;
    (void)msg;
    if (!is_message(event))
        return;
    crew_conn_send(target->conn, "one", 3);
    crew_conn_send(target->conn, filling, 100000);
    assert_int_equal(target->out.len, 100003);
    crew_conn_send(target->conn, "two", 3);
}

static void test_a_long_message_keeps_its_place(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_TCP, 1024 * 1024, send_long_behind_short);
    struct peer *sender = stage_join(stage, "a");
    target = stage_join(stage, "b");
    stage_say(sender, "x");
    stage_turn(stage);
    assert_int_equal(target->out.len, 100006);
    assert_memory_equal(target->out.data, "onexxx", 6);
    assert_memory_equal(target->out.data + 100000, "xxxtwo", 6);
    stage_free(stage);
}

/* ------------------------------------------------------------------------------ back-pressure
 */

/* Before a send answers CREW_QUEUED the transport has been asked. */
static void test_a_write_is_tried_before_it_is_queued(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_TCP, 40000, NULL);
    target = stage_join(stage, "b");
    stage_forget(stage);
    for (int i = 0; i < 100; i++)
        assert_int_equal(crew_conn_send(target->conn, filling, 10000), CREW_SENT);
    stage_turn(stage);
    assert_int_equal(target->out.len, 1000000);
    target->room = 15000;
    int results[4];
    for (int i = 0; i < 4; i++)
        results[i] = crew_conn_send(target->conn, filling, 10000);
    /* 10000 and 20000 are below the mark; 30000 is not, of which 15000 went; then 25000. */
    assert_int_equal(results[0], CREW_SENT);
    assert_int_equal(results[1], CREW_SENT);
    assert_int_equal(results[2], CREW_SENT);
    assert_int_equal(results[3], CREW_QUEUED);
    assert_int_equal(target->room, 0);
    stage_expect(stage, "b buffer_full");
    stage_free(stage);
}

static void test_a_write_is_tried_before_it_is_refused(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_TCP, 40000, NULL);
    target = stage_join(stage, "b");
    stage_forget(stage);
    assert_int_equal(crew_conn_send(target->conn, filling, 19000), CREW_SENT);
    assert_int_equal(target->writes, 0);
    assert_int_equal(crew_conn_send(target->conn, filling, 39000), CREW_SENT);
    assert_int_equal(target->out.len, 58000);
    target->room = 0;
    assert_int_equal(crew_conn_send(target->conn, filling, 30000), CREW_QUEUED);
    assert_int_equal(crew_conn_send(target->conn, filling, 30000), CREW_EFULL);
    assert_int_equal(target->conn->out.bytes, 30000);
    assert_int_equal(stage->worker.conns.totals.send_failures, 1);
    stage_expect(stage, "b buffer_full");
    stage_free(stage);
}

static void test_below_the_mark_any_size_is_taken(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_TCP, 40000, NULL);
    target = stage_join(stage, "b");
    target->room = 0;
    assert_int_equal(crew_conn_send(target->conn, filling, 20000), CREW_SENT);
    assert_int_equal(crew_conn_send(target->conn, filling, 200000), CREW_QUEUED);
    assert_int_equal(crew_conn_send(target->conn, filling, 1), CREW_EFULL);
    target->room = 200000;
    stage_turn(stage);
    assert_int_equal(target->conn->out.bytes, 20000);
    assert_int_equal(crew_conn_send(target->conn, filling, 1), CREW_QUEUED);
    assert_int_equal(crew_conn_send(target->conn, filling, 19999), CREW_QUEUED);
    assert_int_equal(crew_conn_send(target->conn, filling, 1), CREW_EFULL);
    stage_free(stage);
}

/* As examples/echo does. */
static void echo(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    if (strcmp(event, "buffer_drain") == 0)
        crew_conn_resume(conn);
    if (!is_message(event))
        return;
    int result = crew_conn_send(conn, msg->data, msg->len);
    assert_true(result >= 0);
    if (result == CREW_QUEUED)
        crew_conn_pause(conn);
}

/* Lines of all lengths, many in a read, to a peer that takes as little as it likes. */
static void test_who_stops_when_queued_loses_nothing(void **state) {
    static const size_t bounds[] = {16, 1024, 40000, 100000, 1024 * 1024};
    (void)state;
    for (unsigned seed = 1; seed < 60; seed++) {
        struct stage *stage = open_stage(LISTEN_TEXT, bounds[seed % 5], echo);
        struct bytes said = {0};
        unsigned random = seed;
        target = stage_join(stage, "b");
        stage->is_deaf = true;
        for (unsigned i = 0; i < 300; i++) {
            random = random * 1664525u + 1013904223u;
            size_t len = (random >> 8) % (i % 40 ? 300 : 50000) + 1;
            memset(filling, 'a' + (int)(i % 26), len);
            memcpy(filling + len, "\n", 2);
            stage_say(target, filling);
            bytes_add(&said, filling, len + 1);
            target->room = (random >> 12) % (i % 5 ? 1500 : 60000);
            if (i % 7 == 0)
                stage_turn(stage);
        }
        target->room = SIZE_MAX;
        stage_run(stage);
        assert_int_equal(target->out.len, said.len);
        assert_memory_equal(target->out.data, said.data, said.len);
        bytes_done(&said);
        stage_free(stage);
    }
}

static void test_full_and_drain_come_in_pairs(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_TCP, 40000, NULL);
    target = stage_join(stage, "b");
    stage_forget(stage);
    for (int i = 0; i < 3; i++) {
        target->room = 0;
        for (int j = 0; j < 3; j++)
            crew_conn_send(target->conn, filling, 13000);
        stage_run(stage);
        stage_expect(stage, "b buffer_full");
        target->room = 20000; /* not all of it: nobody is told yet */
        stage_run(stage);
        stage_expect(stage, "");
        target->room = SIZE_MAX;
        stage_run(stage);
        stage_expect(stage, "b buffer_drain");
    }
    assert_int_equal(target->out.len, 9 * 13000);
    stage_free(stage);
}

static void close_when_full(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    (void)msg;
    if (strcmp(event, "buffer_full") == 0)
        crew_conn_close(conn);
}

static void test_who_is_closed_when_full_gets_what_was_accepted(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_TCP, 40000, close_when_full);
    target = stage_join(stage, "b");
    stage_forget(stage);
    target->room = 100;
    assert_int_equal(crew_conn_send(target->conn, filling, 30000), CREW_QUEUED);
    assert_int_equal(crew_conn_send(target->conn, "late", 4), CREW_ECLOSED);
    target->room = SIZE_MAX;
    stage_run(stage);
    assert_int_equal(target->out.len, 30000);
    assert_true(target->is_shut);
    stage_expect(stage, "b buffer_full");
    stage_free(stage);
}

static void send_in_drain(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    (void)msg;
    if (strcmp(event, "buffer_drain") == 0)
        crew_conn_send(conn, "more", 4);
}

static void test_what_is_sent_in_on_buffer_drain_leaves_in_that_turn(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_TCP, 40000, send_in_drain);
    target = stage_join(stage, "b");
    target->room = 0;
    crew_conn_send(target->conn, filling, 30000);
    target->room = SIZE_MAX;
    stage_turn(stage);
    assert_int_equal(target->out.len, 30004);
    stage_free(stage);
}

/* Any room at any time: never a byte twice, lost, or out of its place. */
static void test_bytes_keep_their_order_whatever_room_there_is(void **state) {
    (void)state;
    for (unsigned seed = 1; seed < 60; seed++) {
        struct stage *stage = open_stage(LISTEN_TCP, 100000, NULL);
        struct bytes sent = {0};
        unsigned random = seed;
        target = stage_join(stage, "b");
        for (unsigned i = 0; i < 200; i++) {
            random = random * 1664525u + 1013904223u;
            size_t len = (random >> 8) % (i % 10 ? 3000 : 70000) + 1;
            memset(filling, 'a' + (int)(i % 26), len);
            target->room = (random >> 4) % 3 ? (random >> 12) % 20000 : SIZE_MAX;
            if (crew_conn_send(target->conn, filling, len) >= 0)
                bytes_add(&sent, filling, len);
            if (i % 3 == 0)
                stage_turn(stage);
        }
        target->room = SIZE_MAX;
        stage_run(stage);
        assert_int_equal(target->out.len, sent.len);
        assert_memory_equal(target->out.data, sent.data, sent.len);
        bytes_done(&sent);
        stage_free(stage);
    }
}

static void test_a_write_that_fails_ends_the_connection_once(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_TEXT, 1024 * 1024, NULL);
    target = stage_join(stage, "b");
    stage_forget(stage);
    target->write_error = -EPIPE;
    assert_int_equal(crew_conn_send(target->conn, "one", 3), CREW_SENT);
    stage_run(stage);
    char *events = stage_take_events(stage);
    assert_memory_equal(events, "b error ", 8);
    assert_non_null(strstr(events, "; b close io"));
    free(events);
    assert_true(target->is_closed);
    stage_free(stage);
}

/* ---------------------------------------------------------------------------------- broadcasts
 */

static int send_unless(struct crew_conn *conn, void *arg) {
    const void *const *args = arg;
    const crew_msg *msg = args[1];
    if (conn != args[0])
        assert_int_equal(crew_conn_send(conn, msg->data, msg->len), CREW_SENT);
    return 0;
}

static void broadcast(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    const void *args[] = {conn, msg};
    if (is_message(event))
        crew_conn_each(send_unless, args);
}

static void test_a_broadcast_is_one_write_for_each(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_WEBSOCKET, 1024 * 1024, broadcast);
    struct peer *peers[4];
    for (int i = 0; i < 4; i++) {
        peers[i] = stage_join(stage, "p");
        say_handshake(peers[i], NULL);
    }
    stage_run(stage);
    for (int i = 0; i < 4; i++)
        peer_forget(peers[i]);
    for (int i = 0; i < 16; i++)
        say_text(peers[0], "hello");
    stage_turn(stage);
    assert_int_equal(peers[0]->writes, 0);
    for (int i = 1; i < 4; i++) {
        assert_int_equal(peers[i]->writes, 1);
        assert_int_equal(peers[i]->out.len, 16 * 7);
    }
    stage_free(stage);
}

static void test_answers_to_one_read_are_one_write(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_TEXT, 1024 * 1024, answer_and_tell);
    target = stage_join(stage, "a");
    for (int i = 0; i < 16; i++)
        stage_say(target, "hello\n");
    stage_turn(stage);
    assert_int_equal(target->writes, 1);
    assert_int_equal(target->out.len, 16 * 6);
    stage_free(stage);
}

/* Too much in on_connect, and more than the bound in on_open, where the peer has room. */
static void send_in_all(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    (void)msg;
    if (strcmp(event, "connect") == 0) {
        crew_conn_send(conn, filling, 6000);
    } else if (strcmp(event, "open") == 0) {
        crew_conn_send(conn, "one", 3);
        crew_conn_send(conn, filling, GATHERED_MAX);
        crew_conn_send(conn, "two", 3);
    } else if (strcmp(event, "buffer_drain") == 0) {
        crew_conn_send(conn, "drained", 7);
    }
}

static void test_on_buffer_drain_does_not_come_inside_of_a_send(void **state) {
    static const char end[] = "x\ntwo\ndrained\n";
    (void)state;
    struct stage *stage = open_stage(LISTEN_TEXT, 8192, send_in_all);
    struct peer *peer = stage_join(stage, "a");
    stage_run(stage);
    stage_expect(stage, "a connect; a buffer_full; a open; a buffer_drain");
    size_t len = 6001 + 4 + GATHERED_MAX + 1 + 4 + 8;
    assert_int_equal(peer->out.len, len);
    assert_string_equal(peer->out.data + len - strlen(end), end);
    stage_free(stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_sent_goes_before_a_close),
        cmocka_unit_test(test_a_close_frame_stands_behind_what_was_gathered),
        cmocka_unit_test(test_what_was_sent_goes_before_the_end_of_a_peer),
        cmocka_unit_test(test_what_is_sent_in_on_close_leaves_in_that_turn),
        cmocka_unit_test(test_what_nobody_reads_for_is_gathered_too),
        cmocka_unit_test(test_gathered_and_corked_bytes_keep_their_order),
        cmocka_unit_test(test_no_more_is_gathered_than_the_bound),
        cmocka_unit_test(test_a_long_message_keeps_its_place),
        cmocka_unit_test(test_a_write_is_tried_before_it_is_queued),
        cmocka_unit_test(test_a_write_is_tried_before_it_is_refused),
        cmocka_unit_test(test_below_the_mark_any_size_is_taken),
        cmocka_unit_test(test_who_stops_when_queued_loses_nothing),
        cmocka_unit_test(test_full_and_drain_come_in_pairs),
        cmocka_unit_test(test_who_is_closed_when_full_gets_what_was_accepted),
        cmocka_unit_test(test_what_is_sent_in_on_buffer_drain_leaves_in_that_turn),
        cmocka_unit_test(test_bytes_keep_their_order_whatever_room_there_is),
        cmocka_unit_test(test_a_write_that_fails_ends_the_connection_once),
        cmocka_unit_test(test_a_broadcast_is_one_write_for_each),
        cmocka_unit_test(test_answers_to_one_read_are_one_write),
        cmocka_unit_test(test_on_buffer_drain_does_not_come_inside_of_a_send),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
