/* SPDX-License-Identifier: MIT
 *
 * Many connections at random, the same in each run: whatever peers, kernel, clock and app do in
 * whatever order, each connection is told of its end once and last, full and drain come in
 * turns, and no byte that was accepted is lost, doubled or moved as long as it lives. In every
 * second run the limits are so tight that many are ended for them: of memory, of each time, of
 * sizes. What the loop holds meanwhile stage.c adds up. CHAOS_RUNS runs more than by default.
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

#define PEERS 8
#define STEPS 400
#define RUNS  40

/* What the test knows of a peer's connection. */
struct record {
    struct peer *peer;
    bool is_announced, is_open, is_closed, is_full, was_dropped;
    unsigned sent; /* numbers that were accepted for it */
};

static struct record records[PEERS];
static uint32_t seed;
static bool is_tight; /* there are limits that end whom they like */
static unsigned depth;
static uint64_t shed, late; /* in all runs: the limits did end somebody */

static uint32_t pick(uint32_t below) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

static struct record *record_of(const struct crew_conn *conn) {
    for (int i = 0; i < PEERS; i++)
        if (records[i].peer->conn == conn)
            return &records[i];
    return NULL;
}

/* Numbered, so that the order can be read off. */
static void send_to(struct record *record) {
    char text[3000];
    struct crew_conn *conn = record->peer->conn;
    if (!conn || !record->is_announced)
        return;
    unsigned number = record->sent++; /* a callback may send the next one */
    int len = snprintf(text, sizeof(text), "%u ", number);
    size_t more = pick(4) ? pick(20) : pick(2900);
    memset(text + len, '.', more);
    crew_frame *frame =
        pick(3) ? NULL : crew_frame_new(text, (size_t)len + more, CREW_MSG_TEXT);
    int result = frame ? crew_conn_send_frame(conn, frame)
                       : crew_conn_send_text(conn, text, (size_t)len + more);
    crew_frame_unref(frame);
    assert_true(result >= 0 || result == CREW_ECLOSED || result == CREW_EFULL);
    if (result >= 0)
        return;
    assert_int_equal(record->sent, number + 1);
    record->sent = number;
}

static void act_on(struct record *record) {
    struct crew_conn *conn = record->peer->conn;
    if (!conn || !record->is_announced)
        return;
    if (is_tight && pick(10) == 0)
        crew_conn_authenticated(conn);
    switch (pick(40)) {
    case 0:
        crew_conn_close(conn);
        break;
    case 1:
        crew_conn_destroy(conn);
        record->was_dropped = true;
        break;
    case 2:
    case 3:
        crew_conn_pause(conn);
        break;
    case 4:
    case 5:
    case 6:
    case 7:
        crew_conn_resume(conn);
        break;
    default:
        send_to(record);
    }
}

static void check_event(struct record *record, const char *event) {
    assert_non_null(record);
    assert_false(record->is_closed);
    if (strcmp(event, "connect") == 0) {
        assert_false(record->is_announced);
        record->is_announced = true;
        return;
    }
    assert_true(record->is_announced);
    if (strcmp(event, "open") == 0) {
        assert_false(record->is_open);
        record->is_open = true;
    } else if (strcmp(event, "message") == 0) {
        assert_true(record->is_open && !record->peer->conn->is_paused);
    } else if (strcmp(event, "buffer_full") == 0) {
        assert_false(record->is_full);
        record->is_full = true;
    } else if (strcmp(event, "buffer_drain") == 0) {
        assert_true(record->is_full);
        record->is_full = false;
    } else if (strcmp(event, "close") == 0) {
        record->is_closed = true;
        record->was_dropped |= is_tight; /* it may have been cut while it closed */
    }
}

static void react(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    (void)msg;
    check_event(record_of(conn), event);
    if (depth > 2) /* on_buffer_full of a send in on_buffer_full … */
        return;
    depth++;
    for (uint32_t i = pick(4); i > 0; i--)
        act_on(&records[pick(3) ? pick(PEERS) : (uint32_t)(record_of(conn) - records)]);
    depth--;
}

/* Of a long message, in any pieces: it fills the memory, and may never be finished. */
static void say_long(struct stage *stage, struct peer *peer) {
    static const char text[9000];
    size_t len = pick((uint32_t)sizeof(text));
    if (stage->config.listen.protocol == LISTEN_TEXT)
        peer_put(peer, text, len);
    else
        say_frame(peer, SAY_BINARY, text, len);
    if (pick(3) == 0 && peer->in.len > peer->taken) /* its last byte never comes */
        peer->in.len--;
}

static void say(struct stage *stage, struct peer *peer) {
    if (is_tight && pick(4) == 0)
        say_long(stage, peer);
    else if (stage->config.listen.protocol == LISTEN_WEBSOCKET && pick(20) == 0)
        say_close(peer, 1000);
    else if (stage->config.listen.protocol == LISTEN_WEBSOCKET)
        say_frame(peer, pick(4) ? SAY_TEXT : SAY_PING, "hello", 5);
    else
        stage_say(peer, pick(2) ? "hello\n" : "unfinished");
}

static void step(struct stage *stage) {
    struct record *record = &records[pick(PEERS)];
    struct peer *peer = record->peer;
    switch (pick(60)) {
    case 0:
        peer_end(peer);
        break;
    case 1:
        peer->write_error = -EPIPE;
        record->was_dropped = true;
        break;
    case 2:
        peer->read_error = -ECONNRESET;
        record->was_dropped = true;
        break;
    case 3:
        stage_pass(stage, pick(2000));
        break;
    default:
        if (pick(3) == 0)
            peer->room = pick(4) ? pick(3000) : SIZE_MAX;
        else if (pick(2))
            say(stage, peer);
        else
            act_on(record);
    }
    if (pick(2))
        stage_turn(stage);
}

/* "N ....": each begins where the one before ends; the last may be cut. */
static void check_numbers(const struct record *record, const char *data, const char *end) {
    unsigned number = 0;
    while (data < end) {
        char *behind;
        if (*data != ' ' && (*data < '0' || *data > '9')) {
            data++;
            continue;
        }
        unsigned long found = strtoul(data, &behind, 10);
        if (behind >= end || *behind != ' ')
            break;
        assert_int_equal(found, number);
        number++;
        data = behind + 1;
    }
    assert_true(number <= record->sent);
    if (!record->was_dropped && record->is_open)
        assert_int_equal(number, record->sent);
}

/* Answers where the next frame begins; its payload is added. */
static const char *take_frame(const char *data, const char *end, struct bytes *out) {
    const unsigned char *head = (const unsigned char *)data;
    size_t size = 2, len = head[1];
    if (len == 126) {
        len = (size_t)(head[2] << 8) + head[3];
        size = 4;
    }
    if (size + len > (size_t)(end - data))
        len = (size_t)(end - data) > size ? (size_t)(end - data) - size : 0;
    if (head[0] == SAY_TEXT || head[0] == SAY_BINARY)
        bytes_add(out, data + size, len);
    return data + size + len > end ? end : data + size + len;
}

static void check_out(const struct stage *stage, const struct record *record) {
    const char *data = record->peer->out.data, *end = data + record->peer->out.len;
    struct bytes payload = {0};
    bytes_add(&payload, "", 0);
    if (stage->config.listen.protocol == LISTEN_WEBSOCKET) {
        const char *head = strstr(data, "\r\n\r\n");
        data = head ? head + 4 : end;
        while (end - data >= 4)
            data = take_frame(data, end, &payload);
    } else {
        bytes_add(&payload, data, record->peer->out.len);
    }
    check_numbers(record, payload.data, payload.data + payload.len);
    bytes_done(&payload);
}

static uint64_t lot_ms(void) {
    return pick(3) ? 1000u * (1 + pick(6)) : 0;
}

/* Each limit is off, or bites within the run. */
static void tighten(struct stage *stage) {
    struct config_service *config = &stage->config;
    config->limits.handshake_timeout_ms = lot_ms();
    config->limits.auth_timeout_ms = lot_ms();
    config->limits.message_timeout_ms = lot_ms();
    config->limits.min_rate = 1 + pick(2000);
    config->limits.send_timeout_ms = lot_ms();
    config->limits.close_timeout_ms = 1000u * (1 + pick(6));
    config->limits.message_rate = pick(2) ? 1 + pick(50) : 0;
    config->limits.max_message = pick(2) ? 1 + pick(9000) : 1024 * 1024;
    config->heartbeat.idle_timeout_ms = lot_ms();
    if (config->heartbeat.idle_timeout_ms > 1000 && pick(2))
        config->heartbeat.ping_interval_ms = config->heartbeat.idle_timeout_ms / 2;
}

static void begin(struct stage *stage) {
    for (int i = 0; i < PEERS; i++)
        records[i] = (struct record){.peer = stage_peer(stage, "p")};
    for (int i = 0; i < PEERS; i++) {
        records[i].peer->piece = pick(3) ? 0 : 1 + pick(5);
        stage_adopt(stage, records[i].peer);
        records[i].peer->conn->peer.bytes[3] = (uint8_t)(1 + pick(3));
        if (stage->config.listen.protocol == LISTEN_WEBSOCKET)
            say_handshake(records[i].peer, NULL);
    }
}

/* Whoever is ended for a limit now loses what is queued. */
static void note_end(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    (void)msg;
    if (strcmp(event, "close") != 0)
        return;
    record_of(conn)->was_dropped |=
        conn->reason == CREW_CLOSE_LIMIT || conn->reason == CREW_CLOSE_MEMORY;
}

/* Everybody reads, and has ended: what is left comes. */
static void finish(struct stage *stage) {
    stage->react = is_tight ? note_end : NULL;
    for (int i = 0; i < PEERS; i++) {
        const struct crew_conn *conn = records[i].peer->conn;
        records[i].was_dropped |= is_tight && conn && conn->state > CONN_OPEN;
        records[i].peer->room = SIZE_MAX;
        records[i].peer->write_error = records[i].peer->read_error = 0;
    }
    stage_run(stage);
    for (int i = 0; i < PEERS; i++) {
        if (records[i].peer->conn)
            crew_conn_resume(records[i].peer->conn);
        stage_run(stage);
        peer_end(records[i].peer);
    }
    stage_run(stage);
    stage_pass(stage, 10000);
}

static void run(enum listen_protocol protocol, const struct transport *transport,
                uint32_t first_seed) {
    struct stage *stage = stage_new(protocol);
    seed = first_seed;
    stage->config.limits.max_send_buffer = pick(2) ? 10000 : 300000;
    stage->is_deaf = true;
    is_tight = first_seed % 2 == 0;
    if (is_tight)
        tighten(stage);
    stage_start(stage, transport);
    if (is_tight && pick(4))
        stage->worker.conns.budget.limit = 5000 + pick(60000);
    begin(stage);
    stage->react = react;
    for (int i = 0; i < PEERS; i++)
        records[i].is_announced = true; /* before anybody listened */
    for (int i = 0; i < PEERS; i++)
        records[i].is_open = protocol != LISTEN_WEBSOCKET;
    for (int i = 0; i < STEPS; i++) {
        step(stage);
        stage_forget(stage);
    }
    finish(stage);
    for (int i = 0; i < PEERS; i++) {
        assert_true(records[i].peer->is_closed);
        check_out(stage, &records[i]);
    }
    assert_int_equal(stage->worker.conns.count, 0);
    shed += stage->worker.conns.totals.shed;
    late += stage->worker.conns.totals.timeouts;
    stage_free(stage);
}

static void run_all(enum listen_protocol protocol) {
    shed = late = 0;
    const char *runs = getenv("CHAOS_RUNS");
    for (uint32_t i = 1; i <= (runs ? strtoul(runs, NULL, 10) : RUNS); i++) {
        run(protocol, &transport_memory, i);
        run(protocol, &transport_memory_hiding, i);
    }
    assert_true(shed > 0 && late > 0);
}

static void test_text(void **state) {
    (void)state;
    run_all(LISTEN_TEXT);
}

static void test_websocket(void **state) {
    (void)state;
    run_all(LISTEN_WEBSOCKET);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_websocket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
