/* SPDX-License-Identifier: MIT
 *
 * The life of a connection over the memory transport: who is told what, in which order, however
 * the bytes come, and whatever the app does in its callbacks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stage.h"

static void echo(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    if (strcmp(event, "message") == 0)
        crew_conn_send(conn, msg->data, msg->len);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_connect_to_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
