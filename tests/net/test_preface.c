/* SPDX-License-Identifier: MIT
 *
 * The PROXY header in front of a connection, over a real pair of sockets, as it is read from
 * the socket itself: every split, and never a byte behind it, which is the transport's.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "conn.h"
#include "stage.h"

#define HANDSHAKE_MS 10000u

struct header {
    const char *data;
    size_t len;
    const char *peer; /* whom the app sees */
};

#define HEADER(text, peer)                                                                     \
    { text, sizeof(text) - 1, peer }

static const struct header headers[] = {
    HEADER("PROXY TCP4 192.0.2.7 198.51.100.1 5000 80\r\n", "192.0.2.7"),
    HEADER("PROXY TCP6 2001:db8::7 2001:db8::1 5000 80\r\n", "2001:db8::7"),
    HEADER("PROXY UNKNOWN\r\n", "127.0.0.1"),
    HEADER("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\14\300\0\2\7\306\63\144\1\x13\x88\0\x50",
           "192.0.2.7"),
    HEADER("\r\n\r\n\0\r\nQUIT\n\x20\0\0\3abc", "127.0.0.1"), /* LOCAL, of a health check */
};

static const char behind[] = "hello\nyou\n";
static size_t written, header_len; /* of the case that runs */
static char seen_peer[108];

/* Nothing of what stands behind the header has been read yet. */
static void look_at_socket(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    int unread = -1;
    struct crew_addr address;
    (void)msg;
    if (strcmp(event, "connect") != 0)
        return;
    assert_int_equal(ioctl(conn->fd, FIONREAD, &unread), 0);
    assert_int_equal(unread, written - header_len);
    assert_int_equal(conn->bytes_in, header_len);
    crew_conn_peer(conn, &address);
    memcpy(seen_peer, address.text, sizeof(seen_peer));
}

static struct stage *open_stage(enum listen_protocol protocol) {
    struct stage *stage = stage_new(protocol);
    stage->config.proxy_protocol = true;
    stage->config.limits.handshake_timeout_ms = HANDSHAKE_MS;
    stage->config.limits.close_timeout_ms = HANDSHAKE_MS;
    stage->react = look_at_socket;
    return stage;
}

/* Answers the client's end of a connection that was just accepted. */
static int join(struct stage *stage) {
    struct address address = {.family = CREW_ADDR_IPV4, .bytes = {127, 0, 0, 1}};
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends),
                     0);
    assert_int_equal(conn_open(&stage->service.endpoint, ends[0], &address), 0);
    written = 0;
    return ends[1];
}

static struct crew_conn *only_conn(struct stage *stage) {
    struct list *all = &stage->worker.conns.all;
    return list_is_empty(all) ? NULL : list_entry(all->next, struct crew_conn, in_all);
}

/* As the poller would tell, until nothing is left to be read. */
static void read_all(struct stage *stage) {
    for (int i = 0; i < 4; i++) {
        struct crew_conn *conn = only_conn(stage);
        if (conn && conn->polled & POLLER_READABLE)
            conn_ready(conn, POLLER_READABLE);
        stage_turn(stage);
    }
}

static void put(struct stage *stage, int client, const char *data, size_t len) {
    written += len;
    assert_int_equal(send(client, data, len, MSG_NOSIGNAL), len);
    read_all(stage);
}

static void check_cut(const struct header *header, size_t first, size_t size) {
    char all[200];
    size_t len = header->len + sizeof(behind) - 1;
    struct stage *stage = open_stage(LISTEN_TEXT);
    stage_start(stage, &transport_tcp);
    int client = join(stage);
    memcpy(all, header->data, header->len);
    memcpy(all + header->len, behind, sizeof(behind) - 1);
    header_len = header->len;
    for (size_t at = 0; at < len;) {
        size_t wanted = size > 0 ? size : at == 0 && first > 0 ? first : len;
        size_t piece = wanted < len - at ? wanted : len - at;
        put(stage, client, all + at, piece);
        at += piece;
        assert_int_equal(stage->worker.conns.count, at >= header->len);
    }
    stage_expect(stage, "? connect; ? open; ? message hello; ? message you");
    assert_string_equal(seen_peer, header->peer);
    assert_int_equal(stage->worker.conns.totals.bytes_in, len);
    close(client);
    stage_free(stage);
}

static void test_every_split(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        for (size_t first = 0; first < headers[i].len + sizeof(behind) - 1; first++)
            check_cut(&headers[i], first, 0);
        for (size_t size = 1; size < 4; size++)
            check_cut(&headers[i], 0, size);
    }
}

/* Ended without a word, and never announced. */
static void expect_refused(struct stage *stage, int client) {
    char byte;
    stage_expect(stage, "");
    assert_null(only_conn(stage));
    assert_true(recv(client, &byte, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET);
    close(client);
    stage_free(stage);
}

static void test_what_is_no_header(void **state) {
    static const char *const texts[] = {"hello\n", "PROXY TCP4 nonsense\r\n", "\r\n\r\nX"};
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct stage *stage = open_stage(LISTEN_TEXT);
        stage_start(stage, &transport_tcp);
        int client = join(stage);
        put(stage, client, texts[i], strlen(texts[i]));
        assert_int_equal(stage->worker.conns.totals.protocol_errors, 1);
        assert_int_equal(stage->worker.conns.totals.refused, 1);
        shutdown(client, SHUT_WR);
        expect_refused(stage, client);
    }
}

static void test_an_end_before_the_header_is_whole(void **state) {
    (void)state;
    for (size_t len = 0; len < headers[0].len; len++) {
        struct stage *stage = open_stage(LISTEN_TEXT);
        stage_start(stage, &transport_tcp);
        int client = join(stage);
        put(stage, client, headers[0].data, len);
        assert_non_null(only_conn(stage));
        shutdown(client, SHUT_WR);
        read_all(stage);
        expect_refused(stage, client);
    }
}

/* A byte now and then gains nothing. */
static void test_a_header_that_does_not_come_in_time(void **state) {
    (void)state;
    struct stage *stage = open_stage(LISTEN_TEXT);
    stage_start(stage, &transport_tcp);
    int client = join(stage);
    for (unsigned i = 0; i < HANDSHAKE_MS / 1000 - 1; i++) {
        put(stage, client, headers[0].data + i, 1);
        stage_pass(stage, 1000);
    }
    assert_non_null(only_conn(stage));
    stage_pass(stage, 3000);
    assert_int_equal(stage->worker.conns.totals.timeouts, 1);
    expect_refused(stage, client);
}

static void test_who_is_not_trusted_has_no_say(void **state) {
    static char network[] = "192.0.2.0/24";
    static char *networks[] = {network};
    (void)state;
    struct stage *stage = open_stage(LISTEN_TEXT);
    stage->config.trusted_proxies = networks;
    stage->config.trusted_proxy_count = 1;
    stage_start(stage, &transport_tcp);
    int client = join(stage);
    stage_turn(stage);
    assert_int_equal(stage->worker.conns.totals.refused, 1);
    expect_refused(stage, client);
}

/* A stop does not wait for it, whatever comes then; a reload does. */
static void test_a_header_that_is_awaited_when_all_is_closed(void **state) {
    (void)state;
    for (int reloads = 0; reloads < 2; reloads++) {
        struct stage *stage = open_stage(LISTEN_HTTP);
        stage_start(stage, &transport_tcp);
        int client = join(stage);
        put(stage, client, headers[0].data, 10);
        settle_close_all(&stage->worker.settle,
                         reloads ? CREW_CLOSE_RELOAD : CREW_CLOSE_SHUTDOWN, 0);
        header_len = headers[0].len;
        if (reloads)
            put(stage, client, headers[0].data + 10, header_len - 10);
        stage_turn(stage);
        stage_expect(stage, reloads ? "? connect" : "");
        assert_int_equal(only_conn(stage) != NULL, reloads);
        close(client);
        stage_free(stage);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_split),
        cmocka_unit_test(test_what_is_no_header),
        cmocka_unit_test(test_an_end_before_the_header_is_whole),
        cmocka_unit_test(test_a_header_that_does_not_come_in_time),
        cmocka_unit_test(test_who_is_not_trusted_has_no_say),
        cmocka_unit_test(test_a_header_that_is_awaited_when_all_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
