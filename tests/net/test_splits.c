/* SPDX-License-Identifier: MIT
 *
 * Where the network cuts a stream changes nothing of what the app hears and the peer is sent:
 * every protocol, cut in two at every byte and in single bytes, over a transport that announces
 * what is there and over one that hides it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "say.h"
#include "stage.h"

struct subject {
    enum listen_protocol protocol;
    const struct crew_protocol *framing;
    void (*say)(struct peer *peer);
    const char *extensions;
    const char *events;
    bool joins; /* a message for each read: only what comes back is compared */
};

/* How one run is cut: two parts at `first`, or pieces of `size`; 0: whole. `pauses`: the app
 * pauses in each message, and goes on when all has come. `piece`: what one read gets at most.
 */
struct cutting {
    size_t first, size, piece;
    bool pauses;
};

static bool is_pausing;

static void echo(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    if (strcmp(event, "message") == 0) {
        crew_conn_send(conn, msg->data, msg->len);
        if (is_pausing)
            crew_conn_pause(conn);
    } else if (strcmp(event, "request") == 0) {
        crew_conn_send(conn, "answer", 6);
    }
}

static void say_lines(struct peer *peer) {
    peer_put(peer, "hello\r\n\nworld\n", 14);
}

static void say_bytes(struct peer *peer) {
    peer_put(peer, "hello world", 11);
}

static void say_frames(struct peer *peer) {
    peer_put(peer, "\0\0\0\5a\0\0\0\7bcd\0\0\0\4", 16);
}

/* A digit, and so many bytes. */
static ptrdiff_t input(crew_conn *conn, const char *data, size_t len) {
    (void)conn;
    (void)len;
    return 1 + data[0] - '0';
}

static const struct crew_protocol counted = {.name = "counted", .input = input};

static void say_counted(struct peer *peer) {
    peer_put(peer, "3abc01x5hello", 13);
}

static void say_websocket(struct peer *peer) {
    say_handshake(peer, NULL);
    say_text(peer, "hello");
    say_frame(peer, SAY_PING, "p", 1);
    say_frame(peer, 0x01, "he", 2);
    say_frame(peer, SAY_PING, "q", 1);
    say_frame(peer, 0x80, "re", 2);
    say_close(peer, 1000);
}

static void say_requests(struct peer *peer) {
    static const char requests[] =
        "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
        "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
        "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        "\r\n3\r\nabc\r\n0\r\n\r\n"
        "GET /d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    peer_put(peer, requests, sizeof(requests) - 1);
}

static void deliver(struct stage *stage, struct peer *peer, const struct bytes *input_bytes,
                    struct cutting cutting) {
    size_t at = 0;
    while (at < input_bytes->len) {
        size_t len = input_bytes->len - at;
        size_t wanted = cutting.size > 0 ? cutting.size : at == 0 ? cutting.first : len;
        len = wanted > 0 && wanted < len ? wanted : len;
        peer_put(peer, input_bytes->data + at, len);
        at += len;
        stage_run(stage);
    }
    while (cutting.pauses && peer->conn && peer->conn->is_paused) {
        crew_conn_resume(peer->conn);
        stage_run(stage);
    }
    peer_end(peer);
    stage_run(stage);
}

/* What the app heard, and what came back behind it. */
static char *play(const struct subject *subject, const struct transport *transport,
                  const struct bytes *input_bytes, struct cutting cutting) {
    struct stage *stage = stage_new(subject->protocol);
    stage->react = echo;
    stage->config.websocket.deflate = subject->extensions != NULL;
    stage->service.app.protocol = subject->framing;
    stage->is_deaf = subject->joins;
    is_pausing = cutting.pauses;
    stage_start(stage, transport);
    struct peer *peer = stage_join(stage, "a");
    peer->piece = cutting.piece;
    deliver(stage, peer, input_bytes, cutting);
    assert_null(peer->conn);
    struct bytes log = {0};
    bytes_add(&log, stage->events.data, stage->events.len);
    bytes_add(&log, " / ", 3);
    bytes_quote(&log, peer->out.data, peer->out.len);
    stage_free(stage);
    return log.data;
}

static void compare(const struct subject *subject, const struct transport *transport,
                    const struct bytes *input_bytes, const char *whole,
                    struct cutting cutting) {
    char *log = play(subject, transport, input_bytes, cutting);
    if (strcmp(log, whole) != 0)
        print_error("first %zu, size %zu, piece %zu, pauses %d, %s\n", cutting.first,
                    cutting.size, cutting.piece, cutting.pauses, transport->name);
    assert_string_equal(log, whole);
    free(log);
}

static void cut_everywhere(const struct subject *subject, const struct transport *transport,
                           const struct bytes *input_bytes, const char *whole, bool pauses) {
    for (size_t at = 0; at < input_bytes->len; at++)
        compare(subject, transport, input_bytes, whole,
                (struct cutting){.first = at, .pauses = pauses});
    for (size_t size = 1; size < 4; size++)
        compare(subject, transport, input_bytes, whole,
                (struct cutting){.size = size, .pauses = pauses});
    for (size_t piece = 1; piece < 4; piece++)
        compare(subject, transport, input_bytes, whole,
                (struct cutting){.piece = piece, .pauses = pauses});
}

static void check(const struct subject *subject) {
    struct peer client;
    peer_init(&client, "client");
    subject->say(&client);
    char *whole = play(subject, &transport_memory, &client.in, (struct cutting){0});
    assert_memory_equal(whole, subject->events, strlen(subject->events));
    assert_memory_equal(whole + strlen(subject->events), " / ", 3);
    for (int pauses = 0; pauses < 2; pauses++) {
        cut_everywhere(subject, &transport_memory, &client.in, whole, pauses);
        cut_everywhere(subject, &transport_memory_hiding, &client.in, whole, pauses);
    }
    free(whole);
    peer_done(&client);
}

static void test_tcp(void **state) {
    (void)state;
    check(&(struct subject){.protocol = LISTEN_TCP,
                            .say = say_bytes,
                            .joins = true,
                            .events = "a connect; a open; a close peer"});
}

static void test_text(void **state) {
    (void)state;
    check(&(struct subject){.protocol = LISTEN_TEXT,
                            .say = say_lines,
                            .events = "a connect; a open; a message hello; a message ; "
                                      "a message world; a close peer"});
}

static void test_frame(void **state) {
    (void)state;
    check(&(struct subject){.protocol = LISTEN_FRAME,
                            .say = say_frames,
                            .events = "a connect; a open; a message a; a message bcd; "
                                      "a message ; a close peer"});
}

static void test_framing_of_the_app(void **state) {
    (void)state;
    check(&(struct subject){.protocol = LISTEN_TCP,
                            .framing = &counted,
                            .say = say_counted,
                            .events = "a connect; a open; a message 3abc; a message 0; "
                                      "a message 1x; a message 5hello; a close peer"});
}

static void test_websocket(void **state) {
    (void)state;
    check(&(struct subject){.protocol = LISTEN_WEBSOCKET,
                            .say = say_websocket,
                            .events = "a connect; a open; a message hello; a ping p; a ping q; "
                                      "a message here; a close peer"});
}

static void test_http(void **state) {
    (void)state;
    check(&(struct subject){.protocol = LISTEN_HTTP,
                            .say = say_requests,
                            .events = "a connect; a request /a; a request /b; "
                                      "a request /c; a request /d; a close local"});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp),       cmocka_unit_test(test_text),
        cmocka_unit_test(test_frame),     cmocka_unit_test(test_framing_of_the_app),
        cmocka_unit_test(test_websocket), cmocka_unit_test(test_http),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
