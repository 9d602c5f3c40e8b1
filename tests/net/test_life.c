/* SPDX-License-Identifier: MIT
 *
 * The life of a connection over the memory transport: who is told what, in which order, and
 * that on_close comes once and last whatever the app does in its callbacks.
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

static const char *wanted; /* the event in which the app acts */
static void (*act)(struct crew_conn *conn);
static struct peer *other;

static void act_when_wanted(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    (void)msg;
    if (wanted && strcmp(event, wanted) == 0)
        act(conn);
}

static void echo(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    if (strcmp(event, "message") == 0)
        crew_conn_send(conn, msg->data, msg->len);
}

static struct stage *open_stage(enum listen_protocol protocol, const char *event,
                                void (*action)(struct crew_conn *conn)) {
    struct stage *stage = stage_new(protocol);
    wanted = event;
    act = action;
    other = NULL;
    stage->react = act_when_wanted;
    stage_start(stage, &transport_memory);
    return stage;
}

static void test_from_connect_to_close(void **state) {
    (void)state;
    struct stage *stage = stage_new(LISTEN_TEXT);
    stage->react = echo;
    stage_start(stage, &transport_memory);
    struct peer *peer = stage_join(stage, "a");
    stage_expect(stage, "a connect; a open");
    stage_say(peer, "hello\nyou\n");
    stage_run(stage);
    stage_expect(stage, "a message hello; a message you");
    assert_int_equal(peer->writes, 1);
    stage_expect_out(peer, "hello\nyou\n");
    peer_end(peer);
    stage_run(stage);
    stage_expect(stage, "a close peer");
    assert_true(peer->is_closed);
    stage_free(stage);
}

/* With a last word, which the protocol or its end carries. */
static void test_what_a_close_leaves_unsaid(void **state) {
    static const struct {
        const char *event, *events, *out;
    } cases[] = {
        {"connect", "a connect", ""},
        {"open", "a connect; a open", ""},
        {"message", "a connect; a open; a message one", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct stage *stage = open_stage(LISTEN_TEXT, cases[i].event, crew_conn_close);
        struct peer *peer = stage_join(stage, "a");
        stage_say(peer, "one\ntwo\n");
        stage_run(stage);
        stage_say(peer, "three\n");
        stage_run(stage);
        stage_expect(stage, cases[i].events);
        assert_true(peer->is_shut);
        assert_false(peer->is_closed);
        peer_end(peer);
        stage_run(stage);
        stage_expect(stage, "a close local");
        assert_true(peer->is_closed);
        stage_free(stage);
    }
}

static void test_a_destroy_waits_for_nobody(void **state) {
    static const char *const events[][2] = {
        {"connect", "a connect; a close local"},
        {"open", "a connect; a open; a close local"},
        {"message", "a connect; a open; a message one; a close local"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        struct stage *stage = open_stage(LISTEN_TEXT, events[i][0], crew_conn_destroy);
        struct peer *peer = stage_join(stage, "a");
        stage_say(peer, "one\ntwo\n");
        stage_run(stage);
        stage_expect(stage, events[i][1]);
        assert_true(peer->is_closed);
        assert_false(peer->is_shut);
        stage_free(stage);
    }
}

static void destroy_other(struct crew_conn *conn) {
    (void)conn;
    crew_conn_destroy(other->conn);
}

static void test_another_is_destroyed_that_has_bytes_to_read(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_TEXT, "message", destroy_other);
    struct peer *first = stage_join(stage, "a");
    other = stage_join(stage, "b");
    stage_forget(stage);
    stage_say(first, "one\n");
    stage_say(other, "never heard\n");
    stage_run(stage);
    stage_expect(stage, "a message one; b close local");
    stage_free(stage);
}

static void destroy_other_once(struct crew_conn *conn) {
    if (other && other->conn && other->conn != conn)
        crew_conn_destroy(other->conn);
}

static void test_one_destroys_another_in_its_close(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_TEXT, "close", destroy_other_once);
    struct peer *first = stage_join(stage, "a");
    other = stage_join(stage, "b");
    stage_forget(stage);
    peer_end(first);
    stage_run(stage);
    stage_expect(stage, "a close peer; b close local");
    stage_free(stage);
}

static void send_to_itself(struct crew_conn *conn) {
    assert_int_equal(crew_conn_send(conn, "late", 4), CREW_ECLOSED);
    assert_null(crew_conn_find(crew_conn_id(conn)));
    crew_conn_close(conn);
    crew_conn_destroy(conn);
    crew_conn_pause(conn);
    crew_conn_resume(conn);
}

static void test_nothing_harms_in_on_close(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_TEXT, "close", send_to_itself);
    struct peer *peer = stage_join(stage, "a");
    peer_end(peer);
    stage_run(stage);
    stage_expect(stage, "a connect; a open; a close peer");
    stage_expect_out(peer, "");
    stage_free(stage);
}

static void test_a_pause_keeps_what_came(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_TEXT, "message", crew_conn_pause);
    struct peer *peer = stage_join(stage, "a");
    stage_forget(stage);
    stage_say(peer, "one\ntwo\n");
    stage_run(stage);
    stage_say(peer, "three\n");
    stage_run(stage);
    stage_expect(stage, "a message one");
    assert_int_equal(peer->in.len - peer->taken, 6); /* stays with the kernel */
    crew_conn_resume(peer->conn);
    stage_run(stage);
    stage_expect(stage, "a message two");
    crew_conn_resume(peer->conn);
    stage_run(stage);
    stage_expect(stage, "a message three");
    stage_free(stage);
}

/* The peer's end comes behind what it had sent. */
static void test_the_end_of_a_paused_peer(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_TEXT, "message", crew_conn_pause);
    struct peer *peer = stage_join(stage, "a");
    stage_forget(stage);
    stage_say(peer, "one\ntwo\n");
    peer_end(peer);
    stage_turn(stage);
    stage_expect(stage, "a message one");
    for (int i = 0; i < 2 && peer->conn; i++) {
        crew_conn_resume(peer->conn);
        stage_run(stage);
    }
    stage_expect(stage, "a message two; a close peer");
    stage_free(stage);
}

static void test_what_is_queued_goes_before_the_end_of_a_peer_that_has_ended(void **state) {
    (void)state;
    struct stage *stage = stage_new(LISTEN_TEXT);
    stage->react = echo;
    stage_start(stage, &transport_memory);
    struct peer *peer = stage_join(stage, "a");
    peer->room = 3;
    stage_say(peer, "hello\n");
    peer_end(peer);
    stage_run(stage);
    stage_expect(stage, "a connect; a open; a message hello");
    peer->room = SIZE_MAX;
    stage_run(stage);
    stage_expect(stage, "a close peer");
    stage_expect_out(peer, "hello\n");
    stage_free(stage);
}

static void test_a_fault_of_the_transport_is_told_before_the_close(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_TEXT, NULL, NULL);
    struct peer *peer = stage_join(stage, "a");
    peer->read_error = -ECONNRESET;
    stage_run(stage);
    char *events = stage_take_events(stage);
    assert_non_null(strstr(events, "a connect; a open; a error "));
    assert_non_null(strstr(events, "; a close io"));
    free(events);
    stage_free(stage);
}

static void test_a_transport_that_has_a_handshake_of_its_own(void **state) {
    (void)state;
    struct stage *stage = stage_new(LISTEN_TEXT);
    stage->config.limits.handshake_timeout_ms = 4000;
    stage_start(stage, &transport_memory_hiding);
    struct peer *peer = stage_peer(stage, "a");
    peer->starts_left = 2;
    peer->start_takes = 5;
    stage_adopt(stage, peer);
    assert_true(peer->interest & POLLER_READABLE);
    stage_say(peer, "HEL");
    stage_run(stage);
    stage_expect(stage, "");
    assert_int_equal(stage->worker.conns.count, 0);
    stage_say(peer, "LOone\n"); /* its last bytes, and the first of the protocol */
    stage_run(stage);
    stage_expect(stage, "a connect; a open; a message one");
    stage_pass(stage, 60000); /* no deadline is left of it */
    stage_expect(stage, "");
    stage_free(stage);
}

static int count_visit(crew_conn *conn, void *arg) {
    (void)conn;
    ++*(int *)arg;
    return 0;
}

static int visits(void) {
    int count = 0;
    assert_int_equal(crew_conn_each(count_visit, &count), 0);
    return count;
}

static struct crew_conn *seen_in_connect;

static void look_itself_up(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    (void)msg;
    if (strcmp(event, "connect") == 0)
        seen_in_connect = crew_conn_find(crew_conn_id(conn));
}

/* Ids can be guessed: one behind the other. */
static void test_an_app_finds_nobody_before_its_on_connect(void **state) {
    (void)state;
    struct stage *stage = stage_new(LISTEN_TEXT);
    stage->react = look_itself_up;
    stage_start(stage, &transport_memory_hiding);
    struct peer *peer = stage_peer(stage, "a");
    peer->starts_left = 1;
    stage_adopt(stage, peer);
    struct crew_conn *conn = peer->conn;
    crew_id id = conn->id;
    assert_null(crew_conn_find(id));
    assert_int_equal(visits(), 0);
    stage_say(peer, "HELLO");
    stage_run(stage);
    assert_ptr_equal(seen_in_connect, conn);
    assert_ptr_equal(crew_conn_find(id), conn);
    assert_int_equal(visits(), 1);
    crew_conn_destroy(conn);
    assert_null(crew_conn_find(id));
    assert_int_equal(visits(), 0);
    stage_free(stage);
}

static void test_a_handshake_of_a_transport_that_never_ends(void **state) {
    (void)state;
    struct stage *stage = stage_new(LISTEN_TEXT);
    stage->config.limits.handshake_timeout_ms = 4000;
    stage_start(stage, &transport_memory_hiding);
    struct peer *peer = stage_peer(stage, "a");
    peer->starts_left = 1000;
    stage_adopt(stage, peer);
    stage_say(peer, "HEL");
    stage_pass(stage, 3000);
    assert_false(peer->is_closed);
    stage_pass(stage, 3000);
    assert_true(peer->is_closed);
    stage_expect(stage, ""); /* nobody was told of it */
    assert_int_equal(stage->worker.conns.totals.timeouts, 1);
    stage_free(stage);
}

static void test_who_is_closed_before_its_transport_is_up_is_never_announced(void **state) {
    (void)state;
    struct stage *stage = stage_new(LISTEN_HTTP);
    stage->config.limits.close_timeout_ms = 4000;
    stage_start(stage, &transport_memory_hiding);
    struct peer *peer = stage_peer(stage, "a");
    peer->starts_left = 1;
    stage_adopt(stage, peer);
    settle_close_all(&stage->worker.settle, CREW_CLOSE_SHUTDOWN, 0);
    stage_say(peer, "HELLO");
    stage_pass(stage, 6000);
    stage_expect(stage, "");
    assert_true(peer->is_closed);
    stage_free(stage);
}

static void test_a_transport_that_does_not_come_up(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_TEXT, NULL, NULL);
    struct peer *peer = stage_peer(stage, "a");
    peer->start_error = -EPROTO;
    stage_adopt(stage, peer);
    stage_run(stage);
    stage_expect(stage, "");
    assert_true(peer->is_closed);
    assert_int_equal(stage->worker.conns.totals.protocol_errors, 1);
    stage_free(stage);
}

static void test_who_is_not_admitted_is_told_nothing(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_TEXT, NULL, NULL);
    stage->verdict = ENDPOINT_REFUSE;
    struct peer *peer = stage_join(stage, "a");
    stage_run(stage);
    stage_expect(stage, "");
    assert_true(peer->is_closed);
    stage_free(stage);
}

/* ------------------------------------------------------------------ every callback, every act
 */

static size_t count_of(const char *text, const char *part) {
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part))
        count++;
    return count;
}

/* Exactly one close of each that was announced, and nothing of it behind that. */
static void check_ends(const char *events, const char *name) {
    char connect[16], close[16], any[16];
    snprintf(connect, sizeof(connect), "%s connect", name);
    snprintf(close, sizeof(close), "%s close ", name);
    snprintf(any, sizeof(any), "; %s ", name);
    assert_int_equal(count_of(events, close), count_of(events, connect));
    const char *end = strstr(events, close);
    assert_true(!end || !strstr(end, any));
    bool is_paired = count_of(events, "buffer_drain") <= count_of(events, "buffer_full");
    assert_true(is_paired);
}

static void flood(struct crew_conn *conn) {
    static char bytes[3000];
    while (crew_conn_send(conn, bytes, sizeof(bytes)) >= 0)
        if (conn->out.bytes == 0) /* the kernel takes all of it */
            break;
}

static void (*const acts[])(struct crew_conn *) = {crew_conn_close, crew_conn_destroy,
                                                   crew_conn_pause, flood};
static bool acts_on_other;
static struct peer *pair[2];

static void act_on(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    const struct peer *peer = acts_on_other && pair[0]->conn == conn ? pair[1] : NULL;
    if (strcmp(event, "message") == 0 && msg->len == 5 && memcmp(msg->data, "flood", 5) == 0)
        flood(conn);
    if (strcmp(event, wanted) != 0)
        return;
    if (!acts_on_other)
        act(conn);
    else if (peer && peer->conn)
        act(peer->conn);
}

static void say_to(struct peer *peer, enum listen_protocol protocol, const char *text) {
    if (protocol == LISTEN_WEBSOCKET)
        say_text(peer, text);
    else
        stage_say(peer, text);
    if (protocol == LISTEN_TEXT)
        stage_say(peer, "\n");
}

static void live_through(struct stage *stage, enum listen_protocol protocol) {
    for (int i = 0; i < 2; i++) {
        pair[i] = stage_peer(stage, i == 0 ? "a" : "b");
        pair[i]->room = 5000;
    }
    for (int i = 0; i < 2; i++) {
        stage_adopt(stage, pair[i]);
        if (protocol == LISTEN_WEBSOCKET)
            say_handshake(pair[i], NULL);
        say_to(pair[i], protocol, "hello");
        stage_run(stage);
    }
    for (int i = 0; i < 2; i++) {
        say_to(pair[i], protocol, "flood");
        if (protocol == LISTEN_WEBSOCKET)
            say_frame(pair[i], SAY_PING, "", 0);
    }
    stage_run(stage);
    for (int i = 0; i < 2; i++)
        pair[i]->room = SIZE_MAX;
    stage_run(stage);
    for (int i = 0; i < 2; i++) {
        if (pair[i]->conn)
            crew_conn_resume(pair[i]->conn);
        say_to(pair[i], protocol, "bye");
        peer_end(pair[i]);
    }
    stage_run(stage);
    for (int i = 0; i < 2; i++) { /* paused once more */
        while (pair[i]->conn && pair[i]->conn->is_paused) {
            crew_conn_resume(pair[i]->conn);
            stage_run(stage);
        }
    }
}

static void check_acts(enum listen_protocol protocol, const char *event) {
    for (size_t i = 0; i < 2 * sizeof(acts) / sizeof(acts[0]); i++) {
        struct stage *stage = open_stage(protocol, event, acts[i / 2]);
        acts_on_other = i % 2;
        stage->service.endpoint.settings.max_send_buffer = 20000;
        stage->react = act_on;
        live_through(stage, protocol);
        char *events = stage_take_events(stage);
        check_ends(events, "a");
        check_ends(events, "b");
        assert_true(pair[0]->is_closed && pair[1]->is_closed);
        assert_int_equal(stage->worker.conns.count, 0);
        free(events);
        stage_free(stage);
    }
}

static void test_any_act_in_any_callback(void **state) {
    static const char *const events[] = {"connect", "open",        "message",      "ping",
                                         "error",   "buffer_full", "buffer_drain", "close"};
    static const enum listen_protocol protocols[] = {LISTEN_TCP, LISTEN_TEXT, LISTEN_WEBSOCKET};
    (void)state;
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        for (size_t j = 0; j < sizeof(protocols) / sizeof(protocols[0]); j++)
            check_acts(protocols[j], events[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_connect_to_close),
        cmocka_unit_test(test_what_a_close_leaves_unsaid),
        cmocka_unit_test(test_a_destroy_waits_for_nobody),
        cmocka_unit_test(test_another_is_destroyed_that_has_bytes_to_read),
        cmocka_unit_test(test_one_destroys_another_in_its_close),
        cmocka_unit_test(test_nothing_harms_in_on_close),
        cmocka_unit_test(test_a_pause_keeps_what_came),
        cmocka_unit_test(test_the_end_of_a_paused_peer),
        cmocka_unit_test(test_what_is_queued_goes_before_the_end_of_a_peer_that_has_ended),
        cmocka_unit_test(test_a_fault_of_the_transport_is_told_before_the_close),
        cmocka_unit_test(test_a_transport_that_has_a_handshake_of_its_own),
        cmocka_unit_test(test_an_app_finds_nobody_before_its_on_connect),
        cmocka_unit_test(test_a_handshake_of_a_transport_that_never_ends),
        cmocka_unit_test(test_who_is_closed_before_its_transport_is_up_is_never_announced),
        cmocka_unit_test(test_a_transport_that_does_not_come_up),
        cmocka_unit_test(test_who_is_not_admitted_is_told_nothing),
        cmocka_unit_test(test_any_act_in_any_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
