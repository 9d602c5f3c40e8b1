/* SPDX-License-Identifier: MIT
 *
 * Peers make a loop hold more than its budget: the address that holds most loses its largest
 * connection first, in words of its protocol, and the others notice nothing. That the budget is
 * what is held, and nothing when all have gone, each test of this folder sees: stage.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec_memory.h"
#include "conn.h"
#include "conn_held.h"
#include "deflate.h"
#include "say.h"
#include "scene.h"
#include "ws_decoder.h"

#define KIB 1024u

/* A ping of RFC 6455, 1013 and its text. */
#define CLOSE_1013 "\x88\x0f\x03\xf5out of memory"

static struct budget *budget_of(struct stage *stage) {
    return &stage->worker.conns.budget;
}

static uint64_t shed_of(const struct stage *stage) {
    return stage->worker.conns.totals.shed;
}

/* So much more than what is held now. */
static void allow(struct stage *stage, size_t more) {
    budget_of(stage)->limit = budget_of(stage)->held + more;
}

/* The peer's address is 192.0.2.LAST. */
static void move(const struct peer *peer, uint8_t last) {
    peer->conn->peer = (struct address){.family = CREW_ADDR_IPV4, .bytes = {192, 0, 2, last}};
}

static struct peer *meet(struct stage *stage, const char *name, uint8_t last) {
    struct peer *peer = stage_meet(stage, name);
    move(peer, last);
    return peer;
}

/* All of a message but its last byte; kept in memory of its size. */
static void begin_frame(struct peer *peer, size_t len) {
    char *data = calloc(1, len);
    assert_non_null(data);
    say_frame(peer, SAY_BINARY, data, len);
    peer->in.len--;
    free(data);
}

static void begin_text(struct peer *peer, size_t len) {
    char *data = malloc(len);
    assert_non_null(data);
    memset(data, 'x', len);
    peer_put(peer, data, len);
    free(data);
}

static void expect_shed(const struct peer *peer) {
    assert_true(peer->is_closed || peer->conn->state >= CONN_CLOSING);
}

static void expect_alive(const struct peer *peer) {
    assert_false(peer->is_closed);
    assert_int_equal(peer->conn->state, CONN_OPEN);
}

static void small(struct stage *stage) {
    (void)stage;
}

static void deaf(struct stage *stage) {
    stage->is_deaf = true;
}

static void no_react(struct stage *stage) {
    stage->is_deaf = true;
    stage->config.websocket.deflate = true;
    stage->config.limits.max_message = 16u * 1024 * KIB;
}

static struct scene websocket = {LISTEN_WEBSOCKET, deaf};
static struct scene inflating = {LISTEN_WEBSOCKET, no_react};
static struct scene http = {LISTEN_HTTP, small};
static struct scene lines = {LISTEN_TEXT, deaf};

static void test_the_largest_of_the_largest_address_pays(void **state) {
    struct stage *stage = *state;
    struct peer *alone = stage->peers[0], *many[4];
    move(alone, 1);
    for (int i = 0; i < 4; i++)
        many[i] = meet(stage, "m", 2);
    allow(stage, 1000 * KIB);
    begin_frame(alone, 250 * KIB); /* more than any of the others, less than all of them */
    for (size_t i = 0; i < 4; i++)
        begin_frame(many[i], (100 + 40 * i) * KIB);
    stage_run(stage);
    expect_alive(alone);
    expect_alive(many[0]);
    expect_alive(many[1]);
    assert_int_equal(shed_of(stage), 0);
    begin_frame(meet(stage, "n", 1), 240 * KIB);
    stage_run(stage);
    assert_int_equal(shed_of(stage), 1);
    expect_alive(alone);
    expect_shed(many[3]);
    expect_alive(many[2]);
    assert_true(budget_of(stage)->held <= budget_of(stage)->limit / 16 * 15);
    assert_int_equal(stage->worker.conns.shed_last.bytes[3], 2);
    assert_memory_equal(many[3]->out.data, CLOSE_1013, 17);
    assert_int_equal(many[3]->out.len, 17);
    /* its word is heard to the end, nothing more is read of it */
    begin_frame(many[3], 100 * KIB);
    peer_end(many[3]);
    stage_run(stage);
    assert_true(many[3]->is_closed);
    stage_expect(stage, "m close memory");
}

static void test_a_proxy_pays_for_nobody(void **state) {
    struct stage *stage = *state;
    struct peer *direct = stage->peers[0], *behind[3];
    move(direct, 1);
    for (uint8_t i = 0; i < 3; i++) {
        behind[i] = meet(stage, "b", 2);
        behind[i]->conn->client = calloc(1, sizeof(struct address));
        assert_non_null(behind[i]->conn->client);
        *behind[i]->conn->client =
            (struct address){.family = CREW_ADDR_IPV6, .bytes = {0x20, 1, 0, 0, 0, 0, 0, i}};
    }
    allow(stage, 500 * KIB);
    for (int i = 0; i < 3; i++)
        begin_frame(behind[i], 100 * KIB);
    begin_frame(direct, 150 * KIB);
    stage_run(stage);
    begin_frame(meet(stage, "d", 1), 100 * KIB);
    stage_run(stage);
    assert_int_equal(shed_of(stage), 1);
    expect_shed(direct);
    for (int i = 0; i < 3; i++)
        expect_alive(behind[i]);
}

static void test_a_network_of_ipv6_is_one_client(void **state) {
    struct stage *stage = *state;
    struct peer *four = stage->peers[0], *six[3];
    move(four, 1);
    for (uint8_t i = 0; i < 3; i++) {
        six[i] = stage_meet(stage, "s");
        six[i]->conn->peer = (struct address){.family = CREW_ADDR_IPV6, .bytes = {0x20, 1}};
        six[i]->conn->peer.bytes[15] = i;
    }
    allow(stage, 500 * KIB);
    begin_frame(four, 200 * KIB);
    for (int i = 0; i < 3; i++)
        begin_frame(six[i], 100 * KIB);
    stage_run(stage);
    assert_int_equal(shed_of(stage), 1);
    expect_alive(four);
}

/* What is queued counts as what came in does; a frame that has begun is finished first. */
static void test_who_does_not_read_pays(void **state) {
    struct stage *stage = *state;
    struct peer *slow = stage->peers[0], *other = meet(stage, "o", 2);
    char *data = calloc(1, 700 * KIB);
    assert_non_null(data);
    move(slow, 1);
    slow->room = 10;
    allow(stage, 1000 * KIB);
    assert_true(crew_conn_send_binary(slow->conn, data, 50 * KIB) >= 0);
    assert_true(crew_conn_send_binary(slow->conn, data, 700 * KIB) >= 0);
    stage_run(stage);
    begin_frame(other, 400 * KIB);
    stage_run(stage);
    assert_int_equal(shed_of(stage), 1);
    expect_alive(other);
    slow->room = SIZE_MAX;
    stage_run(stage);
    size_t frame = 4 + 50 * KIB; /* with its header */
    assert_int_equal(slow->out.len, frame + 17);
    assert_memory_equal(slow->out.data + frame, CLOSE_1013, 17);
    free(data);
}

/* A message of which more is left than a goodbye is worth: it ends without one. */
static void test_much_that_has_begun_is_not_waited_for(void **state) {
    struct stage *stage = *state;
    struct peer *slow = stage->peers[0];
    char *data = calloc(1, 900 * KIB);
    assert_non_null(data);
    slow->room = 10;
    allow(stage, 500 * KIB);
    assert_true(crew_conn_send_binary(slow->conn, data, 900 * KIB) >= 0);
    stage_run(stage);
    assert_true(slow->is_closed);
    assert_int_equal(slow->out.len, 10);
    stage_expect(stage, "a buffer_full; a close memory");
    free(data);
}

/* Each of many keeps a frame that has begun, behind which it is told: that is no reason to go
 * on to those of other addresses. */
static void test_what_begun_frames_keep_ruins_nobody(void **state) {
    struct stage *stage = *state;
    struct peer *innocent = stage->peers[0], *slow[20];
    char *data = calloc(1, 50 * KIB);
    assert_non_null(data);
    move(innocent, 1);
    begin_frame(innocent, 30 * KIB);
    for (int i = 0; i < 20; i++) {
        slow[i] = meet(stage, "s", 2);
        slow[i]->room = 10;
        assert_true(crew_conn_send_binary(slow[i]->conn, data, 50 * KIB) >= 0);
    }
    stage_run(stage);
    allow(stage, 10 * KIB);
    begin_frame(meet(stage, "n", 3), 40 * KIB);
    stage_run(stage);
    expect_alive(innocent);
    assert_in_range(shed_of(stage), 1, 4);
    assert_true(budget_of(stage)->held <= budget_of(stage)->limit / 16 * 15);
    free(data);
}

/* The memory of a connection itself is free only when it is buried. */
static void test_a_crowd_loses_a_part_only(void **state) {
    struct stage *stage = *state;
    move(stage->peers[0], 1);
    for (uint8_t i = 0; i < 30; i++)
        (void)meet(stage, "i", (uint8_t)(2 + i));
    allow(stage, 10);
    (void)stage_join(stage, "late");
    stage_run(stage);
    assert_in_range(shed_of(stage), 1, 4);
}

#define CROWD 60
#define NETS  7

struct account {
    size_t held[CROWD];
    bool is_paid[CROWD];
};

static size_t left_of(const struct account *account, uint8_t net) {
    size_t sum = 0;
    for (size_t i = 0; i < CROWD; i++)
        if (!account->is_paid[i] && (net == NETS || i * i % NETS == net))
            sum += account->held[i];
    return sum;
}

/* By the plainest reckoning: the largest of the address that has most. */
static size_t next_to_pay(const struct account *account) {
    uint8_t most = 0;
    size_t largest = CROWD;
    for (uint8_t net = 1; net < NETS; net++)
        if (left_of(account, net) > left_of(account, most))
            most = net;
    for (size_t i = 0; i < CROWD; i++)
        if (!account->is_paid[i] && i * i % NETS == most &&
            (largest == CROWD || account->held[i] > account->held[largest]))
            largest = i;
    assert_true(largest < CROWD);
    return largest;
}

/* In its order, as many as are needed, and no other. */
static void test_who_pays_is_as_reckoned(void **state) {
    struct stage *stage = *state;
    struct peer *crowd[CROWD];
    struct account account = {0};
    uint32_t random = 7;
    for (size_t i = 0; i < CROWD; i++) {
        random = random * 1664525u + 1013904223u;
        crowd[i] = meet(stage, "c", (uint8_t)(2 + i * i % NETS));
        begin_frame(crowd[i], 1 + random % (60 * KIB));
    }
    stage_run(stage);
    for (size_t i = 0; i < CROWD; i++)
        account.held[i] = conn_total_held(crowd[i]->conn);
    size_t limit = budget_of(stage)->held / 3 * 2, before = 0;
    budget_of(stage)->limit = limit;
    (void)stage_join(stage, "late");
    stage_run(stage);
    assert_true(budget_of(stage)->held <= limit / 16 * 15);
    for (uint64_t paid = shed_of(stage); paid > 0; paid--) {
        size_t next = next_to_pay(&account);
        expect_shed(crowd[next]);
        before = left_of(&account, NETS);
        account.is_paid[next] = true;
    }
    assert_true(before > limit / 16 * 14);
}

/* udp settles by itself, in a turn that may have nothing else to settle. */
static void test_what_is_buried_is_not_expected_to_go(void **state) {
    struct stage *stage = *state;
    struct peer *late = meet(stage, "late", 40);
    for (uint8_t i = 0; i < 30; i++)
        (void)meet(stage, "i", (uint8_t)(2 + i));
    budget_of(stage)->limit = budget_of(stage)->held - 1;
    conn_ready(late->conn, POLLER_READABLE);
    assert_true(shed_of(stage) > 0);
    settle_now(&stage->worker.settle);
    assert_int_equal(budget_of(stage)->going, 0);
}

/* A frame that all have queued is held once, and each has its part of it. */
static void test_a_shared_frame_ruins_nobody(void **state) {
    struct stage *stage = *state;
    struct peer *readers[8];
    char *data = calloc(1, 400 * KIB);
    assert_non_null(data);
    for (int i = 0; i < 8; i++) {
        readers[i] = meet(stage, "r", 2);
        readers[i]->room = 0;
    }
    move(stage->peers[0], 1);
    allow(stage, 600 * KIB);
    crew_frame *frame = crew_frame_new(data, 400 * KIB, CREW_MSG_BINARY);
    for (int i = 0; i < 8; i++)
        assert_true(crew_conn_send_frame(readers[i]->conn, frame) >= 0);
    crew_frame_unref(frame);
    stage_run(stage);
    assert_int_equal(shed_of(stage), 0);
    begin_frame(stage->peers[0], 190 * KIB);
    stage_run(stage);
    assert_int_equal(shed_of(stage), 0);
    for (int i = 0; i < 8; i++)
        expect_alive(readers[i]);
    /* It is free when the last has gone. */
    begin_frame(meet(stage, "n", 3), 100 * KIB);
    stage_run(stage);
    assert_int_equal(shed_of(stage), 8);
    expect_alive(stage->peers[0]);
    free(data);
}

static void test_others_close(void **state) {
    struct stage *stage = *state;
    struct peer *long_line = stage->peers[0], *other = meet(stage, "o", 2);
    move(long_line, 1);
    allow(stage, 500 * KIB);
    begin_text(long_line, 200 * KIB); /* room for twice as much */
    begin_text(other, 30 * KIB);
    stage_run(stage);
    expect_alive(long_line);
    begin_text(long_line, 300 * KIB);
    stage_run(stage);
    assert_int_equal(shed_of(stage), 1);
    assert_true(long_line->is_shut);
    assert_int_equal(long_line->out.len, 0);
    stage_say(other, "\n");
    stage_run(stage);
    expect_alive(other);
    assert_int_equal(other->conn->messages_in, 1);
}

#define POST "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"

static void test_a_request_is_answered_503(void **state) {
    struct stage *stage = *state;
    struct peer *upload = stage->peers[0];
    allow(stage, 300 * KIB);
    stage_say(upload, POST);
    begin_text(upload, 400 * KIB);
    stage_run(stage);
    assert_int_equal(shed_of(stage), 1);
    assert_true(peer_begins_with(upload, "HTTP/1.1 503 "));
    assert_non_null(strstr(upload->out.data, "Connection: close"));
    peer_end(upload);
    stage_run(stage);
    assert_true(upload->is_closed);
}

/* Its answer is out in part: whatever followed would be read as more of that. */
static void test_behind_half_an_answer_nothing_is_said(void **state) {
    struct stage *stage = *state;
    struct peer *peer = stage->peers[0];
    stage->react = stage_answer;
    peer->room = 20;
    stage_say(peer, SAY_GET);
    stage_run(stage);
    size_t begun = peer->out.len;
    assert_int_equal(begun, 20);
    allow(stage, 100 * KIB);
    stage_say(peer, POST);
    begin_text(peer, 200 * KIB);
    stage_run(stage);
    assert_int_equal(shed_of(stage), 1);
    peer->room = SIZE_MAX;
    stage_run(stage);
    assert_null(strstr(peer->out.data, "503"));
}

/* Nobody has answered yet, and the app may not find the request any more. */
static uint64_t asked;

static void ask_later(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    (void)msg;
    if (strcmp(event, "request") == 0)
        asked = crew_request_id(crew_conn_request(conn));
}

static void test_a_request_that_waits_is_gone(void **state) {
    struct stage *stage = *state;
    struct peer *waits = stage->peers[0];
    stage->react = ask_later;
    allow(stage, 100 * KIB);
    stage_say(waits, "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n");
    begin_text(waits, 90000);
    stage_run(stage);
    assert_non_null(crew_request_find(asked));
    allow(stage, 0);
    begin_text(waits, 20 * KIB); /* pipelined */
    stage_run(stage);
    assert_int_equal(shed_of(stage), 1);
    assert_true(peer_begins_with(waits, "HTTP/1.1 503 "));
    assert_null(crew_request_find(asked));
}

/* Compressed, without FIN: the piece that is taken at once becomes a thousand times as much. */
static void begin_bomb(struct peer *peer) {
    static char zeros[12u * 1024 * KIB];
    struct deflate_compressor *compressor = deflate_compressor_new(15, 9, 8, false);
    struct codec_buffer *bomb = NULL;
    assert_int_equal(deflate_compress(compressor, zeros, sizeof(zeros), &bomb), 0);
    assert_in_range(bomb->len, WS_COMPRESSED_PIECE, 2 * WS_COMPRESSED_PIECE);
    say_frame(peer, (SAY_BINARY & 0x7f) | 0x40, bomb->data, bomb->len);
    codec_buffer_free(&bomb);
    deflate_compressor_free(compressor);
}

#define BOMBS 40

/* The limit is passed by no more than one event adds, in whichever turn they all come. */
static void test_bombs_are_bounded_within_a_turn(void **state) {
    struct stage *stage = *state;
    struct peer *innocent = stage->peers[0], *bombs[BOMBS];
    const size_t limit = 32u * 1024 * KIB;
    move(innocent, 1);
    for (int i = 0; i < BOMBS; i++) {
        bombs[i] = stage_join(stage, "x");
        move(bombs[i], 2);
        say_handshake(bombs[i], SAY_DEFLATE);
    }
    stage_run(stage);
    begin_frame(innocent, 700 * KIB);
    stage_run(stage);
    budget_of(stage)->limit = limit;
    for (int i = 0; i < BOMBS; i++)
        begin_bomb(bombs[i]);
    stage_turn(stage);
    size_t one_event = 2 * 1032 * (size_t)WS_COMPRESSED_PIECE; /* room is made by doubling it */
    assert_in_range(budget_of(stage)->peak, limit, limit + one_event);
    stage_run(stage);
    assert_in_range(budget_of(stage)->peak, limit, limit + one_event);
    assert_true(budget_of(stage)->held <= limit);
    assert_true(shed_of(stage) >= BOMBS / 2);
    expect_alive(innocent);
}

/* What has ended in this turn is free before anybody else has to pay. */
static void test_who_has_ended_pays_first(void **state) {
    struct stage *stage = *state;
    struct peer *ended = stage->peers[0], *other = meet(stage, "o", 2);
    allow(stage, 300 * KIB);
    begin_frame(ended, 200 * KIB);
    stage_run(stage);
    begin_frame(other, 200 * KIB);
    crew_conn_destroy(ended->conn);
    for (int i = 0; i < 3; i++) /* before the turn is settled */
        conn_ready(other->conn, POLLER_READABLE);
    assert_true(budget_of(stage)->held <= budget_of(stage)->limit);
    stage_run(stage);
    assert_int_equal(shed_of(stage), 0);
    expect_alive(other);
}

int main(void) {
    codec_memory_replace(realloc); /* which keeps no block for the next message */
    const struct CMUnitTest tests[] = {
        SCENE_TEST(test_the_largest_of_the_largest_address_pays, &websocket),
        SCENE_TEST(test_a_proxy_pays_for_nobody, &websocket),
        SCENE_TEST(test_a_network_of_ipv6_is_one_client, &websocket),
        SCENE_TEST(test_who_does_not_read_pays, &websocket),
        SCENE_TEST(test_much_that_has_begun_is_not_waited_for, &websocket),
        SCENE_TEST(test_what_begun_frames_keep_ruins_nobody, &websocket),
        SCENE_TEST(test_a_crowd_loses_a_part_only, &websocket),
        SCENE_TEST(test_who_pays_is_as_reckoned, &websocket),
        SCENE_TEST(test_what_is_buried_is_not_expected_to_go, &websocket),
        SCENE_TEST(test_a_shared_frame_ruins_nobody, &websocket),
        SCENE_TEST(test_others_close, &lines),
        SCENE_TEST(test_a_request_is_answered_503, &http),
        SCENE_TEST(test_behind_half_an_answer_nothing_is_said, &http),
        SCENE_TEST(test_a_request_that_waits_is_gone, &http),
        SCENE_TEST(test_bombs_are_bounded_within_a_turn, &inflating),
        SCENE_TEST(test_who_has_ended_pays_first, &websocket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
