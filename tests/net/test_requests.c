/* SPDX-License-Identifier: MIT
 *
 * The exchange of HTTP over the memory transport: the life of a request, of what the app hangs
 * on it, and of the room that requests share.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include <cmocka.h>

#include "conn.h"
#include "crewman/json.h"
#include "say.h"
#include "stage.h"

static struct crew_conn *hung_on;
static struct crew_request *hung;
static int destroyed;
static char thing[] = "thing";

static void answer(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    (void)msg;
    if (strcmp(event, "request") == 0)
        assert_true(crew_reply(crew_conn_request(conn), 200, NULL, "ok", 2) >= 0);
}

static bool was_answered(const struct peer *peer, const char *status) {
    return strncmp(peer->out.data, status, strlen(status)) == 0;
}

static void say_fields(struct peer *peer, int count) {
    stage_say(peer, "GET / HTTP/1.1\r\nHost: stage\r\n");
    for (int i = 1; i < count; i++)
        stage_say(peer, "X: y\r\n");
    stage_say(peer, "\r\n");
}

/* Services of one worker share the room of a request, and may have different limits. */
static void test_a_request_has_room_by_its_own_limit(void **state) {
    (void)state;
    struct stage *stage = stage_new(LISTEN_HTTP);
    stage->config.limits.headers = 5;
    stage->react = answer;
    stage_start(stage, &transport_memory);
    struct peer *peer = stage_join(stage, "a");
    say_fields(peer, 5);
    stage_run(stage);
    assert_true(was_answered(peer, "HTTP/1.1 200"));
    peer_forget(peer);
    stage->config.limits.headers = 50;
    say_fields(peer, 50);
    stage_run(stage);
    assert_true(was_answered(peer, "HTTP/1.1 200"));
    stage_free(stage);
}

static void close_its_connection(void *data) {
    (void)data;
    destroyed++;
    crew_conn_close(hung_on);
}

static int accept_with_data(crew_conn *conn, crew_request *request) {
    hung_on = conn;
    crew_request_set_data(request, thing, close_its_connection);
    return 0;
}

static void never(crew_conn *conn, const crew_msg *msg) {
    (void)conn;
    (void)msg;
    fail();
}

/* The request of a handshake ends just before the connection is a WebSocket. */
static void test_a_destructor_may_close_at_the_handshake(void **state) {
    static const enum listen_protocol protocols[] = {LISTEN_WEBSOCKET, LISTEN_HTTP};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct stage *stage = stage_new(protocols[i]);
        stage->service.app.on_handshake = accept_with_data;
        stage->service.app.on_message = never;
        stage_start(stage, &transport_memory);
        destroyed = 0;
        struct peer *peer = stage_join(stage, "a");
        say_handshake(peer, NULL);
        stage_run(stage);
        assert_int_equal(destroyed, 1);
        assert_false(was_answered(peer, "HTTP/1.1 101"));
        assert_true(peer->is_shut);
        peer_end(peer);
        stage_run(stage);
        stage_expect(stage, "a connect; a close local");
        stage_free(stage);
    }
}

static void set_it_to_nothing(void *data) {
    assert_ptr_equal(data, thing);
    destroyed++;
    assert_true(destroyed < 10);
    crew_request_set_data(hung, NULL, NULL);
}

static void answer_with_data(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    if (strcmp(event, "request") == 0) {
        hung = crew_conn_request(conn);
        crew_request_set_data(hung, thing, set_it_to_nothing);
    }
    answer(conn, event, msg);
}

static void test_a_destructor_is_called_once(void **state) {
    (void)state;
    struct stage *stage = stage_new(LISTEN_HTTP);
    stage->react = answer_with_data;
    destroyed = 0;
    stage_start(stage, &transport_memory);
    struct peer *peer = stage_join(stage, "a");
    say_fields(peer, 1);
    stage_run(stage);
    assert_int_equal(destroyed, 1);
    stage_free(stage);
}

static const wchar_t no_character[] = {0x7fffffff, 0};

/* A message that cannot be made, in each way of the API. */
static int send_in_vain(struct crew_conn *conn, int way) {
    switch (way) {
    case 0:
        return crew_conn_send(conn, NULL, 5);
    case 1:
        return crew_conn_send_text(conn, "", SIZE_MAX);
    case 2:
        return crew_conn_send_frame(conn, NULL);
    case 3:
        return crew_conn_sendf(conn, "%ls", no_character);
    case 4:
        return crew_conn_send_json(conn, NULL);
    case 5:
        return crew_conn_send_pack(conn, "{s:s}", "key", "\xff");
    default:
        return 0;
    }
}

static int way;

static void send_that_way(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    (void)msg;
    if (strcmp(event, "request") == 0)
        assert_true(send_in_vain(conn, way) < 0);
}

/* A message is the whole answer here, and one that failed leaves nobody waiting. */
static void test_a_message_that_failed_is_500(void **state) {
    (void)state;
    for (way = 0; way < 6; way++) {
        struct stage *stage = stage_new(LISTEN_HTTP);
        stage->react = send_that_way;
        stage_start(stage, &transport_memory);
        struct peer *peer = stage_join(stage, "a");
        say_fields(peer, 1);
        stage_run(stage);
        assert_true(peer_begins_with(peer, "HTTP/1.1 500"));
        stage_free(stage);
    }
}

/* Outside of any callback, as in one of the app's own handles: it leaves with the turn. */
static void test_a_later_answer_that_failed_leaves_at_once(void **state) {
    (void)state;
    struct stage *stage = stage_new(LISTEN_HTTP);
    stage_start(stage, &transport_memory);
    struct peer *peer = stage_join(stage, "a");
    say_fields(peer, 1);
    stage_run(stage);
    assert_int_equal(crew_conn_sendf(peer->conn, "%ls", no_character), CREW_EINVAL);
    stage_turn(stage);
    assert_true(peer_begins_with(peer, "HTTP/1.1 500"));
    stage_free(stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_has_room_by_its_own_limit),
        cmocka_unit_test(test_a_destructor_may_close_at_the_handshake),
        cmocka_unit_test(test_a_destructor_is_called_once),
        cmocka_unit_test(test_a_message_that_failed_is_500),
        cmocka_unit_test(test_a_later_answer_that_failed_leaves_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
