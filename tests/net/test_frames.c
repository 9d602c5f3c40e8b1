/* SPDX-License-Identifier: MIT
 *
 * One message for many connections: each form on the wire is made once and shared by all send
 * queues, says the same as a plain send, and is freed with the last that needs it (the build
 * with sanitizers looks at that).
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
#include "protocol_http.h"
#include "say.h"
#include "stage.h"
#include "stream.h"
#include "wire_frame.h"
#include "ws.h"

#define PEERS 4

static struct peer *peers[PEERS];

static struct stage *open_stage(enum listen_protocol protocol, const char *extensions,
                                bool has_context) {
    struct stage *stage = stage_new(protocol);
    stage->config.websocket.deflate = extensions != NULL;
    stage->config.websocket.deflate_context = has_context;
    stage->config.websocket.deflate_min = 20;
    stage_start(stage, &transport_memory);
    for (int i = 0; i < PEERS; i++) {
        peers[i] = stage_join(stage, "p");
        if (protocol == LISTEN_WEBSOCKET)
            say_handshake(peers[i], extensions);
        stage_run(stage);
        peer_forget(peers[i]);
    }
    return stage;
}

static void set_room(size_t room) {
    for (int i = 0; i < PEERS; i++)
        peers[i]->room = room;
}

static void send_to_all(crew_frame *frame) {
    for (int i = 0; i < PEERS; i++)
        assert_int_equal(crew_conn_send_frame(peers[i]->conn, frame), CREW_SENT);
}

/* What a plain send of the same makes. */
static char *encode_plain(struct stage *stage, const char *text) {
    crew_conn_send_text(peers[0]->conn, text, strlen(text));
    stage_run(stage);
    char *copy = strdup(peers[0]->out.data);
    assert_non_null(copy);
    peer_forget(peers[0]);
    return copy;
}

static void check_shared(enum listen_protocol protocol, const struct protocol *form_of,
                         const char *extensions, const char *text, uint32_t variant) {
    struct stage *stage = open_stage(protocol, extensions, false);
    char *plain = encode_plain(stage, text);
    crew_frame *frame = crew_frame_new(text, strlen(text), CREW_MSG_TEXT);
    set_room(0);
    send_to_all(frame);
    stage_turn(stage);
    struct buf *form = form_of ? wire_frame_find(frame, form_of, variant) : frame->plain;
    assert_non_null(form);
    assert_int_equal(form->refs, 1 + PEERS);
    set_room(SIZE_MAX);
    send_to_all(frame);
    assert_ptr_equal(form_of ? wire_frame_find(frame, form_of, variant) : frame->plain, form);
    crew_frame_unref(frame); /* the queues have references of their own */
    stage_run(stage);
    for (int i = 0; i < PEERS; i++) {
        size_t len = peers[i]->out.len / 2;
        assert_int_equal(len, strlen(plain));
        assert_memory_equal(peers[i]->out.data, plain, len);
        assert_memory_equal(peers[i]->out.data + len, plain, len);
        assert_int_equal(peers[i]->conn->messages_out, i == 0 ? 3 : 2);
    }
    free(plain);
    stage_free(stage);
}

static void test_each_form_is_made_once(void **state) {
    (void)state;
    check_shared(LISTEN_TCP, NULL, NULL, "hello", 0);
    check_shared(LISTEN_TEXT, &protocol_text, NULL, "hello", 0);
    check_shared(LISTEN_WEBSOCKET, &protocol_websocket, NULL, "hello", 0);
    check_shared(LISTEN_WEBSOCKET, &protocol_websocket, SAY_DEFLATE, "too short", 0);
}

static bool is_deflated(const struct peer *peer) {
    return (unsigned char)peer->out.data[0] == 0xc1;
}

static void test_a_form_is_compressed_once_for_each_window(void **state) {
    static const char text[] = "hello hello hello hello hello hello hello hello";
    (void)state;
    struct stage *stage = open_stage(LISTEN_WEBSOCKET, SAY_DEFLATE, false);
    struct peer *small = stage_join(stage, "s"), *bare = stage_join(stage, "b");
    say_handshake(small, SAY_DEFLATE "; server_max_window_bits=10");
    say_handshake(bare, NULL);
    stage_run(stage);
    peer_forget(small);
    peer_forget(bare);
    crew_frame *frame = crew_frame_new(text, sizeof(text) - 1, CREW_MSG_TEXT);
    send_to_all(frame);
    assert_int_equal(crew_conn_send_frame(small->conn, frame), CREW_SENT);
    assert_int_equal(crew_conn_send_frame(bare->conn, frame), CREW_SENT);
    struct buf *of_15 = wire_frame_find(frame, &protocol_websocket, (15 << 8) + 1);
    struct buf *of_10 = wire_frame_find(frame, &protocol_websocket, (10 << 8) + 1);
    assert_true(of_15 && of_10 && of_15 != of_10);
    assert_int_equal(of_15->refs, 1 + PEERS);
    assert_int_equal(of_10->refs, 2);
    crew_frame_unref(frame);
    stage_run(stage);
    assert_true(is_deflated(peers[0]) && is_deflated(small));
    assert_false(is_deflated(bare));
    assert_int_equal(bare->out.len, sizeof(text) - 1 + 2);
    for (int i = 1; i < PEERS; i++)
        assert_memory_equal(peers[i]->out.data, peers[0]->out.data, peers[0]->out.len);
    stage_free(stage);
}

static size_t size_at_level(struct stage *stage, uint32_t level, const char *text, size_t len) {
    stage->config.websocket.deflate_level = level;
    crew_frame *frame = crew_frame_new(text, len, CREW_MSG_TEXT);
    assert_int_equal(crew_conn_send_frame(peers[0]->conn, frame), CREW_SENT);
    size_t size = wire_frame_find(frame, &protocol_websocket, (15 << 8) + level)->len;
    crew_frame_unref(frame);
    stage_run(stage);
    return size;
}

/* Services of one worker may have different levels: each is compressed at its own. */
static void test_a_form_is_compressed_at_its_level(void **state) {
    static char text[20000];
    (void)state;
    for (size_t i = 0, x = 1; i < sizeof(text); i++, x = x * 1103515245 + 12345)
        text[i] = (char)('a' + (x >> 16) % 3 + (i % 5 ? 0 : 3));
    struct stage *stage = open_stage(LISTEN_WEBSOCKET, SAY_DEFLATE, false);
    size_t at_9 = size_at_level(stage, 9, text, sizeof(text));
    size_t at_1 = size_at_level(stage, 1, text, sizeof(text));
    assert_true(at_9 < at_1);
    assert_int_equal(size_at_level(stage, 9, text, sizeof(text)), at_9);
    stage_free(stage);
}

/* Each connection compresses with its own past: there is nothing to share. */
static void test_with_context_nothing_is_shared(void **state) {
    static const char text[] = "hello hello hello hello hello hello hello hello";
    (void)state;
    struct stage *stage = open_stage(LISTEN_WEBSOCKET, SAY_DEFLATE, true);
    crew_frame *frame = crew_frame_new(text, sizeof(text) - 1, CREW_MSG_TEXT);
    send_to_all(frame);
    stage_run(stage);
    size_t first = peers[0]->out.len;
    assert_true(is_deflated(peers[0]));
    peer_forget(peers[0]);
    assert_int_equal(crew_conn_send_frame(peers[0]->conn, frame), CREW_SENT);
    stage_run(stage);
    assert_true(peers[0]->out.len < first); /* it has been said before */
    assert_int_equal(frame->plain->refs, 1);
    crew_frame_unref(frame);
    stage_free(stage);
}

static void test_a_frame_that_is_refused_is_not_kept(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_TEXT, NULL, false);
    crew_frame *frame = crew_frame_new("hello", 5, CREW_MSG_TEXT);
    crew_conn_destroy(peers[0]->conn);
    assert_int_equal(crew_conn_send_frame(peers[0]->conn, frame), CREW_ECLOSED);
    peers[1]->room = 0;
    stage->service.endpoint.settings.max_send_buffer = 8;
    assert_int_equal(crew_conn_send_frame(peers[1]->conn, frame), CREW_QUEUED);
    assert_int_equal(crew_conn_send_frame(peers[1]->conn, frame), CREW_EFULL);
    assert_int_equal(wire_frame_find(frame, &protocol_text, 0)->refs, 2);
    crew_frame_unref(frame);
    stage_free(stage);
}

/* Frames and plain messages between them, taken by the kernel in pieces. */
static void test_frames_keep_their_order_among_messages(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_TEXT, NULL, false);
    crew_frame *frame = crew_frame_new("frame", 5, CREW_MSG_TEXT);
    struct bytes expected = {0};
    for (int i = 0; i < 300; i++) {
        send_to_all(frame);
        bytes_print(&expected, "frame\n");
        if (i % 7)
            continue;
        for (int j = 0; j < PEERS; j++)
            crew_conn_send(peers[j]->conn, "plain", 5);
        bytes_print(&expected, "plain\n");
    }
    crew_frame_unref(frame);
    set_room(0);
    stage_run(stage);
    for (int i = 0; i < 2000; i++) {
        set_room(3);
        stage_turn(stage);
    }
    for (int i = 0; i < PEERS; i++)
        assert_string_equal(peers[i]->out.data, expected.data);
    bytes_done(&expected);
    stage_free(stage);
}

/* What was accepted goes before the end, also what is more than one write can hold. */
static void test_all_frames_go_before_a_destroy(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_TEXT, NULL, false);
    crew_frame *frame = crew_frame_new("frame", 5, CREW_MSG_TEXT);
    for (int i = 0; i < 300; i++)
        assert_int_equal(crew_conn_send_frame(peers[0]->conn, frame), CREW_SENT);
    crew_frame_unref(frame);
    crew_conn_destroy(peers[0]->conn);
    stage_run(stage);
    assert_int_equal(peers[0]->out.len, 300 * 6);
    assert_true(peers[0]->is_closed);
    stage_free(stage);
}

static void test_what_makes_no_frame(void **state) {
    (void)state;
    assert_null(crew_frame_new("x", 1, (enum crew_msg_type)77));
    assert_null(crew_frame_new(NULL, 1, CREW_MSG_TEXT));
    assert_null(crew_frame_ref(NULL));
    crew_frame_unref(NULL);
    crew_frame *frame = crew_frame_new(NULL, 0, CREW_MSG_BINARY);
    assert_non_null(frame);
    assert_ptr_equal(crew_frame_ref(frame), frame);
    crew_frame_unref(frame);
    struct stage *stage = open_stage(LISTEN_TEXT, NULL, false);
    assert_int_equal(crew_conn_send_frame(peers[0]->conn, frame), CREW_SENT);
    crew_frame_unref(frame);
    stage_run(stage);
    stage_expect_out(peers[0], "\n");
    stage_free(stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_form_is_made_once),
        cmocka_unit_test(test_a_form_is_compressed_once_for_each_window),
        cmocka_unit_test(test_a_form_is_compressed_at_its_level),
        cmocka_unit_test(test_with_context_nothing_is_shared),
        cmocka_unit_test(test_a_frame_that_is_refused_is_not_kept),
        cmocka_unit_test(test_frames_keep_their_order_among_messages),
        cmocka_unit_test(test_all_frames_go_before_a_destroy),
        cmocka_unit_test(test_what_makes_no_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
