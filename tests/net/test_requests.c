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

#include <cmocka.h>

#include "conn.h"
#include "say.h"
#include "stage.h"

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_has_room_by_its_own_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
