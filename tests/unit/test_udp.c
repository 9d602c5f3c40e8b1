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

static struct worker worker;
static char nothing[1], cookie[] = "sid";
static int failures[4]; /* what the next calls of sendmsg() fail with; 0: succeeds */
static size_t calls;
static int result; /* of the app's send */
static size_t messages;

struct worker *worker_self(void) {
    return &worker;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    (void)fd;
    (void)flags;
    size_t total = 0;
    int error = failures[calls++];
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

static int bound_socket(struct sockaddr_in *out_address) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *out_address = address;
    return fd;
}

static void on_turned(void *owner) {
    (void)owner;
}

/* One datagram to a worker whose app is `callback`. */
static void handle_one(void (*callback)(crew_conn *conn, const crew_msg *msg)) {
    static const struct service_events no_events = {0};
    struct sockaddr_in address, mine;
    char why[256];
    struct config_service settings = {.listen.protocol = LISTEN_UDP}, *config = &settings;
    memset(&worker, 0, sizeof(worker));
    calls = messages = 0;
    worker.line = worker.guard.line = &worker.own_line;
    config->limits.max_message = 1000;
    config->heartbeat.client_ping = config->heartbeat.client_pong = nothing;
    config->heartbeat.ping_data = config->files.root = config->session.dir = nothing;
    config->session.cookie = cookie;
    struct service service = {.worker = &worker,
                              .events = &no_events,
                              .config = config,
                              .app.on_message = callback,
                              .listener_fd = bound_socket(&address)};
    assert_int_equal(uv_loop_init(&worker.loop), 0);
    assert_int_equal(conns_init(&worker.conns, &worker.loop, conn_ready), 0);
    settle_start(&worker.settle, &worker.conns, on_turned, NULL);
    assert_int_equal(service_start(&service, why, sizeof(why)), 0);
    assert_int_equal(service_accept(&service), 0);
    int client = bound_socket(&mine);
    assert_int_equal(
        sendto(client, "hello", 5, 0, (struct sockaddr *)&address, sizeof(address)), 5);
    while (messages == 0) {
        (void)settle_turn(&worker.settle);
        uv_run(&worker.loop, UV_RUN_ONCE);
    }
    close(client);
    assert_true(service.udp.is_running);
    assert_false(worker.conns.due.first);
    settle_stop(&worker.settle);
    service_stop(&service);
    conns_done(&worker.conns);
    uv_run(&worker.loop, UV_RUN_NOWAIT);
    assert_int_equal(uv_loop_close(&worker.loop), 0);
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
        memcpy(failures, cases[i].errors, sizeof(failures));
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_of_a_send),
        cmocka_unit_test(test_a_lent_peer_is_beyond_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
