/* SPDX-License-Identifier: MIT
 *
 * How much one client address may have: connections at a time, new ones and requests a second,
 * by a clock that the test moves. The client is whom a trusted proxy names, for as long as the
 * proxy speaks for it, and never the proxy.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "conn.h"
#include "say.h"
#include "scene.h"

#define SERVED  "HTTP/1.1 200 "
#define REFUSED "HTTP/1.1 429 "
#define UPGRADE                                                                                \
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"               \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static void judge(struct stage *stage) {
    stage->is_judging = true;
    stage->config.limits.max_connections_per_address = 1;
    stage->react = stage_answer;
}

static void trust(struct stage *stage, char **networks) {
    judge(stage);
    stage->config.trusted_proxies = networks;
    stage->config.trusted_proxy_count = 1;
}

/* All peers of a stage have the address 127.0.0.1. */
static void trust_peers(struct stage *stage) {
    static char network[] = "127.0.0.1";
    static char *networks[] = {network};
    trust(stage, networks);
}

static void trust_others(struct stage *stage) {
    static char network[] = "192.0.2.0/24";
    static char *networks[] = {network};
    trust(stage, networks);
}

static const struct scene proxied = {LISTEN_HTTP, trust_peers};
static const struct scene proxied_websocket = {LISTEN_WEBSOCKET, trust_peers};
static const struct scene direct = {LISTEN_HTTP, trust_others};

/* A request of this client (NULL: of one whom the proxy does not name). */
static void ask_for(struct peer *peer, const char *client, const char *fields) {
    struct bytes head = {0};
    bytes_print(&head, "GET /a HTTP/1.1\r\nHost: x\r\n%s", fields);
    if (client)
        bytes_print(&head, "X-Forwarded-For: %s\r\n", client);
    bytes_print(&head, "\r\n");
    peer_put(peer, head.data, head.len);
    bytes_done(&head);
}

static void expect_answer(struct stage *stage, struct peer *peer, const char *status) {
    stage_run(stage);
    assert_true(peer_begins_with(peer, status));
    peer_forget(peer);
}

static void expect_served(struct stage *stage, struct peer *peer, const char *client) {
    ask_for(peer, client, "");
    expect_answer(stage, peer, SERVED);
}

static void expect_refused(struct stage *stage, struct peer *peer, const char *client) {
    ask_for(peer, client, "");
    stage_run(stage);
    assert_non_null(strstr(peer->out.data, "\r\nRetry-After: 1\r\n"));
    assert_true(peer->is_shut);
    expect_answer(stage, peer, REFUSED);
}

static void leave(struct stage *stage, struct peer *peer) {
    peer_end(peer);
    stage_run(stage);
    assert_true(peer->is_closed);
}

/* Nothing is counted any more. */
static void expect_nobody(struct stage *stage) {
    for (size_t i = 0; i < stage->peer_count; i++)
        if (!stage->peers[i]->is_closed)
            leave(stage, stage->peers[i]);
    assert_int_equal(stage->service.admission.peers.counts.count, 0);
    assert_int_equal(stage->worker.room.taken, 0);
    stage_free(stage);
}

static void test_a_connection_of_a_proxy_carries_many_clients(void **state) {
    (void)state;
    struct stage *stage = scene_open(&proxied);
    struct peer *peer = stage_join(stage, "a");
    expect_served(stage, peer, "203.0.113.1");
    expect_served(stage, peer, "203.0.113.2");
    expect_served(stage, peer, "203.0.113.1");
    assert_int_equal(stage->worker.conns.totals.over_address, 0);
    expect_nobody(stage);
}

static void test_a_client_is_counted_over_all_connections_of_the_proxy(void **state) {
    (void)state;
    struct stage *stage = scene_open(&proxied);
    struct peer *first = stage_join(stage, "a"), *second = stage_join(stage, "b");
    struct peer *third = stage_join(stage, "c");
    stage->react = NULL;
    ask_for(first, "203.0.113.1", "");
    stage_run(stage);
    stage->react = stage_answer;
    expect_refused(stage, second, "203.0.113.1");
    assert_int_equal(stage->worker.conns.totals.over_address, 1);
    expect_served(stage, third, "203.0.113.2");
    crew_conn_send(first->conn, "late", 4);
    expect_answer(stage, first, SERVED);
    expect_served(stage, third, "203.0.113.1");
    expect_nobody(stage);
}

/* The client that it was counted by is known until then. */
static void test_an_end_before_the_answer_gives_the_place_back(void **state) {
    (void)state;
    struct stage *stage = scene_open(&proxied);
    struct peer *first = stage_join(stage, "a"), *second = stage_join(stage, "b");
    stage->react = NULL;
    ask_for(first, "203.0.113.1", "");
    stage_run(stage);
    crew_conn_destroy(first->conn);
    stage_run(stage);
    stage->react = stage_answer;
    expect_served(stage, second, "203.0.113.1");
    expect_nobody(stage);
}

static void test_a_websocket_counts_until_its_end(void **state) {
    (void)state;
    struct stage *stage = scene_open(&proxied_websocket);
    struct peer *first = stage_join(stage, "a"), *second = stage_join(stage, "b");
    struct peer *third = stage_join(stage, "c"), *fourth = stage_join(stage, "d");
    ask_for(first, "203.0.113.1", UPGRADE);
    expect_answer(stage, first, "HTTP/1.1 101 ");
    ask_for(second, "203.0.113.1", UPGRADE);
    expect_answer(stage, second, REFUSED);
    ask_for(third, "203.0.113.2", UPGRADE);
    expect_answer(stage, third, "HTTP/1.1 101 ");
    leave(stage, first);
    ask_for(fourth, "203.0.113.1", UPGRADE);
    expect_answer(stage, fourth, "HTTP/1.1 101 ");
    expect_nobody(stage);
}

static void test_a_client_whom_the_proxy_hides_is_nobody(void **state) {
    (void)state;
    struct stage *stage = scene_open(&proxied);
    stage->react = NULL;
    for (int i = 0; i < 5; i++)
        ask_for(stage_join(stage, "a"), NULL, "");
    stage_run(stage);
    assert_int_equal(stage->worker.conns.count, 5);
    assert_int_equal(stage->worker.conns.totals.over_address, 0);
    expect_nobody(stage);
}

static void test_an_ipv6_client_counts_as_its_network(void **state) {
    (void)state;
    struct stage *stage = scene_open(&proxied);
    struct peer *first = stage_join(stage, "a");
    stage->react = NULL;
    ask_for(first, "2001:db8:0:1::1", "");
    stage_run(stage);
    stage->react = stage_answer;
    expect_refused(stage, stage_join(stage, "b"), "2001:db8:0:1:f::2");
    expect_served(stage, stage_join(stage, "c"), "2001:db8:0:2::1");
    expect_nobody(stage);
}

/* It is counted when it comes, and what it says of others is not believed. */
static void test_who_is_no_proxy_is_counted_itself(void **state) {
    (void)state;
    struct stage *stage = scene_open(&direct);
    struct peer *first = stage_join(stage, "a"), *second = stage_join(stage, "b");
    stage_run(stage);
    expect_answer(stage, second, REFUSED);
    assert_true(second->is_shut);
    assert_int_equal(stage->worker.conns.totals.refused, 1);
    assert_int_equal(stage->worker.conns.totals.over_address, 1);
    expect_served(stage, first, "203.0.113.1");
    expect_served(stage, first, "203.0.113.2");
    leave(stage, second);
    leave(stage, first);
    expect_served(stage, stage_join(stage, "c"), NULL);
    expect_nobody(stage);
}

static int join_by_header(struct stage *stage, const char *header) {
    struct address address = {.family = CREW_ADDR_IPV4, .bytes = {127, 0, 0, 1}};
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends),
                     0);
    assert_int_equal(send(ends[1], header, strlen(header), MSG_NOSIGNAL), strlen(header));
    room_take(&stage->worker.room);
    assert_int_equal(conn_open(&stage->service.endpoint, ends[0], &address), 0);
    struct list *last = stage->worker.conns.all.prev;
    conn_ready(list_entry(last, struct crew_conn, in_all), POLLER_READABLE);
    stage_run(stage);
    return ends[1];
}

/* Health checks of a proxy come from the proxy itself. */
static void test_a_proxy_header_that_names_nobody_counts_nobody(void **state) {
    static const char named[] = "PROXY TCP4 203.0.113.7 198.51.100.1 5000 80\r\n";
    int clients[6];
    (void)state;
    struct stage *stage = stage_new(LISTEN_TEXT);
    judge(stage);
    stage->config.proxy_protocol = true;
    stage_start(stage, &transport_tcp);
    for (int i = 0; i < 4; i++)
        clients[i] = join_by_header(stage, "PROXY UNKNOWN\r\n");
    assert_int_equal(stage->worker.conns.count, 4);
    clients[4] = join_by_header(stage, named);
    assert_int_equal(stage->worker.conns.count, 5);
    clients[5] = join_by_header(stage, named);
    assert_int_equal(stage->worker.conns.count, 5);
    assert_int_equal(stage->worker.conns.totals.over_address, 1);
    stage_free(stage);
    for (int i = 0; i < 6; i++)
        close(clients[i]);
}

static void limit_requests(struct stage *stage) {
    trust_others(stage);
    stage->config.limits.max_connections_per_address = 0;
    stage->config.limits.requests_per_address = 3;
}

static void limit_requests_behind_proxy(struct stage *stage) {
    trust_peers(stage);
    stage->config.limits.max_connections_per_address = 0;
    stage->config.limits.requests_per_address = 3;
}

static const struct scene direct_requests = {LISTEN_HTTP, limit_requests};
static const struct scene proxied_requests = {LISTEN_HTTP, limit_requests_behind_proxy};

/* On however many connections they come. */
static void test_requests_of_a_second_are_bounded(void **state) {
    (void)state;
    struct stage *stage = scene_open(&direct_requests);
    struct peer *first = stage_join(stage, "a"), *second = stage_join(stage, "b");
    expect_served(stage, first, NULL);
    expect_served(stage, second, NULL);
    stage_say(first, SAY_GET SAY_GET);
    stage_run(stage);
    stage_expect(stage, "a connect; b connect; a request /a; b request /a; a request /a; "
                        "a error too many requests from this address");
    assert_true(peer_begins_with(first, SERVED));
    assert_non_null(strstr(first->out.data, REFUSED));
    assert_true(first->is_shut);
    stage_pass(stage, 1000);
    expect_served(stage, second, NULL);
    assert_int_equal(stage->worker.conns.totals.over_address, 1);
    expect_nobody(stage);
}

static void test_requests_of_a_second_are_those_of_a_client(void **state) {
    (void)state;
    struct stage *stage = scene_open(&proxied_requests);
    struct peer *peer = stage_join(stage, "a");
    for (int i = 0; i < 3; i++) {
        expect_served(stage, peer, "203.0.113.1");
        expect_served(stage, peer, "203.0.113.2");
        expect_served(stage, peer, NULL);
    }
    expect_served(stage, peer, NULL);
    expect_refused(stage, peer, "203.0.113.2");
    expect_nobody(stage);
}

static void limit_handshakes(struct stage *stage) {
    judge(stage);
    stage->config.limits.max_connections_per_address = 0;
    stage->config.limits.handshakes_per_address = 2;
}

static void limit_handshakes_behind_proxy(struct stage *stage) {
    trust_peers(stage);
    stage->config.limits.max_connections_per_address = 0;
    stage->config.limits.handshakes_per_address = 2;
}

static void test_new_connections_of_a_second_are_bounded(void **state) {
    static const struct scene scenes[] = {{LISTEN_HTTP, limit_handshakes},
                                          {LISTEN_WEBSOCKET, limit_handshakes},
                                          {LISTEN_TEXT, limit_handshakes}};
    (void)state;
    for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
        struct stage *stage = scene_open(&scenes[i]);
        for (int j = 0; j < 2; j++)
            leave(stage, stage_join(stage, "a")); /* whether they are there still or not */
        struct peer *third = stage_join(stage, "b");
        stage_run(stage);
        assert_true(third->is_shut);
        assert_true(peer_begins_with(third, i < 2 ? REFUSED : ""));
        assert_int_equal(stage->worker.conns.count, 0);
        stage_pass(stage, 1000);
        stage_join(stage, "c");
        stage_run(stage);
        assert_int_equal(stage->worker.conns.count, 1);
        assert_int_equal(stage->worker.conns.totals.over_address, 1);
        expect_nobody(stage);
    }
}

/* Its connections are its own; a client's handshake is that of a WebSocket. */
static void test_behind_a_proxy_handshakes_are_those_of_websockets(void **state) {
    static const struct scene scene = {LISTEN_WEBSOCKET, limit_handshakes_behind_proxy};
    (void)state;
    struct stage *stage = scene_open(&scene);
    for (int i = 0; i < 4; i++) {
        struct peer *peer = stage_join(stage, "a");
        ask_for(peer, "203.0.113.1", UPGRADE);
        expect_answer(stage, peer, i < 2 ? "HTTP/1.1 101 " : REFUSED);
    }
    struct peer *other = stage_join(stage, "b");
    ask_for(other, "203.0.113.2", UPGRADE);
    expect_answer(stage, other, "HTTP/1.1 101 ");
    expect_nobody(stage);
}

static void test_behind_a_proxy_requests_are_no_handshakes(void **state) {
    static const struct scene scene = {LISTEN_HTTP, limit_handshakes_behind_proxy};
    (void)state;
    struct stage *stage = scene_open(&scene);
    for (int i = 0; i < 5; i++)
        expect_served(stage, stage_join(stage, "a"), "203.0.113.1");
    expect_nobody(stage);
}

/* Each holds a descriptor until it has gone. */
static void test_those_turned_away_are_bounded(void **state) {
    (void)state;
    struct stage *stage = scene_open(&direct);
    struct endpoint *endpoint = &stage->service.endpoint;
    struct peer *first = stage_join(stage, "a");
    endpoint->count += 63;
    endpoint->turned_away += 63;
    struct peer *told = stage_join(stage, "b");
    expect_answer(stage, told, REFUSED);
    assert_int_equal(endpoint->turned_away, 64);
    struct peer *untold = stage_join(stage, "c");
    stage_run(stage);
    assert_true(untold->is_closed);
    assert_int_equal(untold->out.len, 0);
    leave(stage, told);
    told = stage_join(stage, "d");
    expect_answer(stage, told, REFUSED);
    endpoint->count -= 63;
    endpoint->turned_away -= 63;
    leave(stage, first);
    expect_nobody(stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_connection_of_a_proxy_carries_many_clients),
        cmocka_unit_test(test_a_client_is_counted_over_all_connections_of_the_proxy),
        cmocka_unit_test(test_an_end_before_the_answer_gives_the_place_back),
        cmocka_unit_test(test_a_websocket_counts_until_its_end),
        cmocka_unit_test(test_a_client_whom_the_proxy_hides_is_nobody),
        cmocka_unit_test(test_an_ipv6_client_counts_as_its_network),
        cmocka_unit_test(test_who_is_no_proxy_is_counted_itself),
        cmocka_unit_test(test_a_proxy_header_that_names_nobody_counts_nobody),
        cmocka_unit_test(test_requests_of_a_second_are_bounded),
        cmocka_unit_test(test_requests_of_a_second_are_those_of_a_client),
        cmocka_unit_test(test_new_connections_of_a_second_are_bounded),
        cmocka_unit_test(test_behind_a_proxy_handshakes_are_those_of_websockets),
        cmocka_unit_test(test_behind_a_proxy_requests_are_no_handshakes),
        cmocka_unit_test(test_those_turned_away_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
