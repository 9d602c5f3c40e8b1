/* SPDX-License-Identifier: MIT
 *
 * What a send over udp answers when the kernel refuses it, and that nothing an app does to a
 * lent peer changes anything. sendmsg() is ours here; the rest is the real thing on loopback.
 */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "service.h"
#include "worker.h"

#define PEERS 8

static struct worker worker;
static char nothing[1], cookie[] = "sid", are_you_there[] = "?";
static int failures[32]; /* what the next calls of sendmsg() fail with; 0: succeeds */
static size_t calls;
static int result; /* of the app's send */
static size_t messages, closes;
static int reasons[PEERS]; /* of the first on_close */

static void on_ended(struct worker *ended) {
    (void)ended;
}

static const struct service_events no_events = {on_ended};

struct worker *worker_self(void) {
    return &worker;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    (void)fd;
    (void)flags;
    size_t total = 0;
    int error = calls < sizeof(failures) / sizeof(failures[0]) ? failures[calls] : 0;
    calls++;
    for (size_t i = 0; i < message->msg_iovlen; i++)
        total += message->msg_iov[i].iov_len;
    errno = error;
    return error ? -1 : (ssize_t)total;
}

static void on_message(crew_conn *conn, const crew_msg *msg) {
    messages++;
    result = crew_conn_send(conn, msg->data, msg->len);
}

static void on_message_misuse(crew_conn *conn, const crew_msg *msg) {
    messages++;
    crew_conn_pause(conn);
    crew_conn_resume(conn);
    crew_conn_close(conn);
    crew_conn_destroy(conn);
    assert_int_equal(crew_conn_close_with(conn, 1000, "bye"), 0);
    result = crew_conn_send(conn, msg->data, msg->len);
}

static void on_close(crew_conn *conn, int reason) {
    (void)conn;
    if (closes < PEERS)
        reasons[closes] = reason;
    closes++;
}

/* 127.0.0.1 and so many addresses behind it. */
static int bound_at(uint32_t behind, struct sockaddr_in *out_address) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK + behind)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *out_address = address;
    return fd;
}

static int bound_socket(struct sockaddr_in *out_address) {
    return bound_at(0, out_address);
}

static void on_turned(void *owner) {
    (void)owner;
}

/* A worker with one udp service. */
struct rig {
    struct config_service config;
    struct service service;
    struct sockaddr_in address;
};

static void rig_init(struct rig *rig, void (*callback)(crew_conn *conn, const crew_msg *msg)) {
    struct config_service *config = &rig->config;
    *rig = (struct rig){.config = {.name = "metrics", .listen.protocol = LISTEN_UDP}};
    memset(&worker, 0, sizeof(worker));
    calls = messages = closes = 0;
    worker.line = worker.guard.line = &worker.own_line;
    config->limits.max_message = 1000;
    config->heartbeat.client_ping = config->heartbeat.client_pong = nothing;
    config->heartbeat.ping_data = config->files.root = config->session.dir = nothing;
    config->session.cookie = cookie;
    rig->service = (struct service){.worker = &worker,
                                    .events = &no_events,
                                    .config = config,
                                    .app.on_message = callback,
                                    .app.on_close = on_close,
                                    .listener_fd = bound_socket(&rig->address)};
}

static void rig_start(struct rig *rig) {
    char why[256];
    assert_int_equal(uv_loop_init(&worker.loop), 0);
    assert_int_equal(conns_init(&worker.conns, &worker.loop, conn_ready), 0);
    settle_start(&worker.settle, &worker.conns, on_turned, NULL);
    assert_int_equal(service_start(&rig->service, why, sizeof(why)), 0);
    assert_int_equal(service_accept(&rig->service), 0);
}

static void send_hello(const struct rig *rig, int client) {
    const struct sockaddr *to = (const struct sockaddr *)&rig->address;
    assert_int_equal(sendto(client, "hello", 5, 0, to, sizeof(rig->address)), 5);
}

/* Until so many messages came in all. */
static void run_until(size_t count) {
    while (messages < count) {
        (void)settle_turn(&worker.settle);
        uv_run(&worker.loop, UV_RUN_ONCE);
    }
}

static void rig_done(struct rig *rig) {
    settle_stop(&worker.settle);
    service_stop(&rig->service);
    conns_done(&worker.conns);
    uv_run(&worker.loop, UV_RUN_NOWAIT);
    assert_int_equal(uv_loop_close(&worker.loop), 0);
}

/* One datagram to a worker whose app is `callback`. */
static void handle_one(void (*callback)(crew_conn *conn, const crew_msg *msg)) {
    struct sockaddr_in mine;
    struct rig rig;
    int client = bound_socket(&mine);
    rig_init(&rig, callback);
    rig_start(&rig);
    send_hello(&rig, client);
    run_until(1);
    close(client);
    assert_true(rig.service.udp.is_running);
    assert_false(worker.conns.due.first);
    rig_done(&rig);
}

static void test_answers_of_a_send(void **state) {
    static const struct {
        int errors[4];
        int result;
        size_t calls;
    } cases[] = {
        {{0}, CREW_SENT, 1},
        {{EAGAIN}, CREW_EFULL, 1},
        {{ENOBUFS}, CREW_EFULL, 1},
        {{EMSGSIZE}, CREW_ETOOBIG, 1},
        {{ENETUNREACH}, -ENETUNREACH, 1},
        {{EPERM}, -EPERM, 1},
        {{EINTR, EINTR, 0}, CREW_SENT, 3},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memset(failures, 0, sizeof(failures));
        memcpy(failures, cases[i].errors, sizeof(cases[i].errors));
        handle_one(on_message);
        assert_int_equal(result, cases[i].result);
        assert_int_equal(calls, cases[i].calls);
        assert_int_equal(worker.conns.totals.send_failures, cases[i].result < 0);
        assert_int_equal(worker.conns.totals.bytes_out, cases[i].result < 0 ? 0 : 5);
    }
}

static void test_a_lent_peer_is_beyond_harm(void **state) {
    (void)state;
    memset(failures, 0, sizeof(failures));
    handle_one(on_message_misuse);
    assert_int_equal(result, CREW_SENT);
    assert_int_equal(worker.conns.totals.messages_in, 1);
}

/* -- sessions: what a forged source address can do */

static void sessions_init(struct rig *rig, int *clients) {
    struct sockaddr_in mine;
    memset(failures, 0, sizeof(failures));
    memset(reasons, 0, sizeof(reasons));
    rig_init(rig, on_message);
    rig->config.udp_session_timeout_ms = 30000;
    for (int i = 0; i < PEERS; i++)
        clients[i] = bound_socket(&mine);
}

static void sessions_done(struct rig *rig, const int *clients) {
    rig_done(rig);
    for (int i = 0; i < PEERS; i++)
        close(clients[i]);
}

static void say(struct rig *rig, int client) {
    size_t before = messages;
    send_hello(rig, client);
    run_until(before + 1);
}

static void test_who_never_answered_makes_room(void **state) {
    struct rig rig;
    int clients[PEERS];
    (void)state;
    sessions_init(&rig, clients);
    rig.config.limits.max_connections = 3;
    rig_start(&rig);
    say(&rig, clients[0]);
    say(&rig, clients[0]); /* proven */
    for (int i = 1; i < PEERS; i++)
        say(&rig, clients[i]);
    assert_int_equal(closes, PEERS - 3);
    assert_int_equal(reasons[0], CREW_CLOSE_LIMIT);
    assert_int_equal(worker.conns.totals.evicted, PEERS - 3);
    assert_int_equal(worker.conns.totals.refused, 0);
    say(&rig, clients[0]);
    assert_int_equal(worker.conns.totals.accepted, PEERS); /* it has its session still */
    sessions_done(&rig, clients);
}

static void vouch(crew_conn *conn, const crew_msg *msg) {
    (void)msg;
    messages++;
    assert_int_equal(crew_conn_authenticated(conn), 0);
}

static void test_for_whom_the_app_vouches_stays(void **state) {
    struct rig rig;
    int clients[PEERS];
    (void)state;
    sessions_init(&rig, clients);
    rig.config.limits.max_connections = 2;
    rig.service.app.on_message = vouch;
    rig_start(&rig);
    say(&rig, clients[0]);
    rig.service.app.on_message = on_message;
    for (int i = 1; i < PEERS; i++)
        say(&rig, clients[i]);
    assert_int_equal(closes, PEERS - 2);
    say(&rig, clients[0]);
    assert_int_equal(worker.conns.totals.accepted, PEERS);
    sessions_done(&rig, clients);
}

static void test_who_has_answered_stays(void **state) {
    struct rig rig;
    int clients[PEERS];
    (void)state;
    sessions_init(&rig, clients);
    rig.config.limits.max_connections = 2;
    rig_start(&rig);
    for (int i = 0; i < 4; i++)
        say(&rig, clients[i / 2]);
    send_hello(&rig, clients[2]);
    say(&rig, clients[1]); /* read behind it */
    assert_int_equal(messages, 5);
    assert_int_equal(closes, 0);
    assert_int_equal(worker.conns.totals.refused, 1);
    sessions_done(&rig, clients);
}

/* Who invents addresses can send two datagrams from each. */
static void test_where_clients_log_in_no_datagram_is_an_answer(void **state) {
    struct rig rig;
    int clients[PEERS];
    (void)state;
    sessions_init(&rig, clients);
    rig.config.limits.max_connections = 3;
    rig.config.limits.auth_timeout_ms = 60000;
    rig.service.app.on_message = vouch;
    rig_start(&rig);
    say(&rig, clients[0]);
    rig.service.app.on_message = on_message;
    for (int i = 2; i < 2 * PEERS; i++) {
        send_hello(&rig, clients[i / 2]);
        say(&rig, clients[0]); /* read behind it */
    }
    assert_int_equal(worker.conns.totals.refused, 0);
    assert_int_equal(worker.conns.totals.evicted, PEERS - 3);
    assert_int_equal(closes, PEERS - 3);
    assert_int_equal(worker.conns.totals.accepted, PEERS);
    sessions_done(&rig, clients);
}

/* All have the same address here. */
static void test_a_forged_address_does_not_lock_its_owner_out(void **state) {
    struct rig rig;
    int clients[PEERS];
    (void)state;
    sessions_init(&rig, clients);
    rig.config.limits.max_connections_per_address = 2;
    rig_start(&rig);
    for (int i = 0; i < PEERS; i++)
        say(&rig, clients[i]);
    assert_int_equal(closes, PEERS - 2);
    assert_int_equal(worker.conns.totals.evicted, PEERS - 2);
    sessions_done(&rig, clients);
}

static void tick(struct rig *rig, int count) {
    for (int i = 0; i < count; i++)
        reaper_tick(&rig->service.endpoint.reaper);
}

/* However many others have been invented before. */
static void test_a_crowd_does_not_hide_who_makes_room(void **state) {
    struct rig rig;
    int clients[PEERS];
    struct sockaddr_in mine;
    (void)state;
    sessions_init(&rig, clients);
    rig.config.limits.max_connections_per_address = 2;
    rig_start(&rig);
    for (uint32_t i = 1; i <= 100; i++) {
        int other = bound_at(i, &mine);
        say(&rig, other);
        close(other);
    }
    say(&rig, clients[0]);
    say(&rig, clients[1]);
    send_hello(&rig, clients[2]);
    say(&rig, clients[1]); /* read behind it */
    assert_int_equal(closes, 1);
    assert_int_equal(worker.conns.totals.accepted, 103);
    sessions_done(&rig, clients);
}

/* Two are silent for as long; what one says in between starts its time anew. */
static void test_who_talks_keeps_its_session(void **state) {
    struct rig rig;
    int clients[PEERS];
    (void)state;
    sessions_init(&rig, clients);
    rig_start(&rig);
    say(&rig, clients[0]);
    say(&rig, clients[1]);
    for (int i = 0; i < 40; i++) {
        tick(&rig, 1);
        say(&rig, clients[1]);
    }
    assert_int_equal(closes, 1);
    assert_int_equal(reasons[0], CREW_CLOSE_HEARTBEAT);
    assert_int_equal(worker.conns.totals.accepted, 2);
    say(&rig, clients[0]);
    assert_int_equal(worker.conns.totals.accepted, 3);
    sessions_done(&rig, clients);
}

static void test_no_probe_to_who_never_answered(void **state) {
    struct rig rig;
    int clients[PEERS];
    (void)state;
    sessions_init(&rig, clients);
    rig.config.heartbeat.ping_interval_ms = 1000;
    rig.config.heartbeat.ping_data = are_you_there;
    rig_start(&rig);
    say(&rig, clients[0]);
    assert_int_equal(calls, 1); /* the echo */
    tick(&rig, 20);
    assert_int_equal(calls, 1);
    sessions_done(&rig, clients);
}

static void test_one_probe_in_a_silence(void **state) {
    struct rig rig;
    int clients[PEERS];
    (void)state;
    sessions_init(&rig, clients);
    rig.config.heartbeat.ping_interval_ms = 1000;
    rig.config.heartbeat.ping_data = are_you_there;
    rig_start(&rig);
    say(&rig, clients[0]);
    say(&rig, clients[0]);
    assert_int_equal(calls, 2);
    tick(&rig, 20);
    assert_int_equal(calls, 3);
    say(&rig, clients[0]);
    tick(&rig, 20);
    assert_int_equal(calls, 5); /* an echo, and the probe of the next silence */
    sessions_done(&rig, clients);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_of_a_send),
        cmocka_unit_test(test_a_lent_peer_is_beyond_harm),
        cmocka_unit_test(test_who_never_answered_makes_room),
        cmocka_unit_test(test_for_whom_the_app_vouches_stays),
        cmocka_unit_test(test_who_has_answered_stays),
        cmocka_unit_test(test_where_clients_log_in_no_datagram_is_an_answer),
        cmocka_unit_test(test_a_forged_address_does_not_lock_its_owner_out),
        cmocka_unit_test(test_a_crowd_does_not_hide_who_makes_room),
        cmocka_unit_test(test_who_talks_keeps_its_session),
        cmocka_unit_test(test_no_probe_to_who_never_answered),
        cmocka_unit_test(test_one_probe_in_a_silence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
