/* SPDX-License-Identifier: MIT
 *
 * The services of a process share what its limit of open files leaves for connections: two of
 * them without a limit of their own, on sockets of loopback.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "services.h"

#define FILES 64u
#define ROOM  44u /* without a quarter, and two for each listener */

#define TURN_MS   100
#define TURNS_MAX 200

struct place {
    struct config_service config;
    struct service *service;
    struct sockaddr_in address;
    int clients[FILES];
    size_t count;
};

static struct worker worker;
static struct place first, second;

struct worker *worker_self(void) {
    return &worker;
}

static void on_turned(void *owner) {
    (void)owner;
}

static int listen_somewhere(struct sockaddr_in *out_address) {
    socklen_t len = sizeof(*out_address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    *out_address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(fd, (struct sockaddr *)out_address, len), 0);
    assert_int_equal(listen(fd, FILES), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)out_address, &len), 0);
    return fd;
}

static void open_place(struct place *place, const struct service_events *events) {
    static char nothing[1], cookie[] = "sid";
    char why[256];
    *place = (struct place){
        .config = {
            .listen.protocol = LISTEN_TCP,
            .heartbeat = {.ping_data = nothing, .client_ping = nothing, .client_pong = nothing},
            .limits = {.max_message = 1000, .max_send_buffer = 1000},
            .files = {.root = nothing, .index = nothing, .cache_control = nothing},
            .session = {.dir = nothing, .cookie = cookie}}};
    struct service *service = place->service = service_new(&worker, events);
    assert_non_null(service);
    service->config = &place->config;
    service->listener_fd = listen_somewhere(&place->address);
    services_add(service);
    assert_int_equal(service_start(service, why, sizeof(why)), 0);
    assert_int_equal(service_accept(service), 0);
}

static int start(void **state) {
    static const struct service_events events = {.conn_ended = services_have_room};
    struct rlimit usual, low;
    (void)state;
    memset(&worker, 0, sizeof(worker));
    worker.line = worker.guard.line = &worker.own_line;
    list_init(&worker.services);
    assert_int_equal(uv_loop_init(&worker.loop), 0);
    assert_int_equal(conns_init(&worker.conns, &worker.loop, conn_ready), 0);
    settle_start(&worker.settle, &worker.conns, on_turned, NULL);
    /* Only while the services look at it: the clients are of this process too. */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    low = (struct rlimit){.rlim_cur = FILES, .rlim_max = usual.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    open_place(&first, &events);
    open_place(&second, &events);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
    return 0;
}

static int end(void **state) {
    (void)state;
    settle_stop(&worker.settle);
    services_stop(&worker);
    conns_done(&worker.conns);
    uv_run(&worker.loop, UV_RUN_NOWAIT);
    assert_int_equal(uv_loop_close(&worker.loop), 0);
    services_free(&worker);
    for (size_t i = 0; i < first.count; i++)
        close(first.clients[i]);
    for (size_t i = 0; i < second.count; i++)
        close(second.clients[i]);
    return 0;
}

static void turn(int timeout_ms) {
    poller_fetch(&worker.conns.poller, timeout_ms);
    poller_tell_sources(&worker.conns.poller);
    poller_tell_owners(&worker.conns.poller);
    (void)settle_turn(&worker.settle);
}

static void join(struct place *place, size_t count) {
    for (size_t i = 0; i < count; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(
            connect(fd, (struct sockaddr *)&place->address, sizeof(place->address)), 0);
        place->clients[place->count++] = fd;
    }
}

/* So many wait to be accepted, and nobody takes them. */
static void wait_for_backlog(const struct place *place, uint32_t count) {
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);
    for (int i = 0; i < TURNS_MAX && info.tcpi_unacked < count; i++) {
        turn(i == 0 ? 0 : TURN_MS);
        assert_int_equal(
            getsockopt(place->service->listener_fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    }
    assert_int_equal(info.tcpi_unacked, count);
}

static void abort_one(struct place *place) {
    struct linger at_once = {.l_onoff = 1};
    int fd = place->clients[--place->count];
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    close(fd);
}

static bool is_so(size_t of_first, size_t of_second, enum score_state state) {
    return first.service->endpoint.count == of_first &&
           second.service->endpoint.count == of_second &&
           score_get(worker.line->state) == state;
}

/* Comes to be so: what a client does is seen a moment later. */
static void expect(size_t of_first, size_t of_second, enum score_state state) {
    for (int i = 0; i < TURNS_MAX && !is_so(of_first, of_second, state); i++)
        turn(TURN_MS);
    assert_int_equal(first.service->endpoint.count, of_first);
    assert_int_equal(second.service->endpoint.count, of_second);
    assert_int_equal(worker.room.taken, of_first + of_second);
    assert_int_equal(score_get(worker.line->state), state);
}

static void test_all_services_together_take_no_more_than_there_is_room_for(void **state) {
    (void)state;
    join(&first, ROOM - 10);
    expect(ROOM - 10, 0, SCORE_ACCEPTING);
    join(&second, 20);
    expect(ROOM - 10, 10, SCORE_FULL);
}

static void test_the_end_of_a_connection_wakes_the_other_service(void **state) {
    (void)state;
    join(&first, ROOM);
    expect(ROOM, 0, SCORE_FULL);
    join(&second, 2);
    const struct listener *listener = &second.service->acceptor.listener;
    for (int i = 0; i < TURNS_MAX && listener->is_watching; i++)
        turn(TURN_MS);
    assert_false(listener->is_watching);
    expect(ROOM, 0, SCORE_FULL);
    abort_one(&first);
    expect(ROOM - 1, 1, SCORE_FULL);
}

/* It had no reason to look while the process was full, and the other one is full by itself. */
static void test_a_service_that_did_not_notice_accepts_again(void **state) {
    (void)state;
    first.service->acceptor.limit = ROOM - 1;
    join(&second, 1);
    expect(0, 1, SCORE_ACCEPTING);
    join(&first, ROOM - 1);
    expect(ROOM - 1, 1, SCORE_FULL);
    abort_one(&second);
    expect(ROOM - 1, 0, SCORE_ACCEPTING);
}

static void test_who_owns_its_socket_leaves_the_page_alone(void **state) {
    (void)state;
    second.service->owns_socket = true;
    join(&second, ROOM);
    expect(0, ROOM, SCORE_ACCEPTING);
    join(&first, 1);
    expect(0, ROOM, SCORE_FULL);
}

static void test_what_waits_in_a_socket_of_its_own_is_taken_at_the_end(void **state) {
    (void)state;
    second.service->owns_socket = true;
    join(&first, ROOM);
    expect(ROOM, 0, SCORE_FULL);
    join(&second, 3);
    wait_for_backlog(&second, 3);
    services_stop_accepting(&worker);
    expect(ROOM, 3, SCORE_DRAINING);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_all_services_together_take_no_more_than_there_is_room_for, start, end),
        cmocka_unit_test_setup_teardown(test_the_end_of_a_connection_wakes_the_other_service,
                                        start, end),
        cmocka_unit_test_setup_teardown(test_a_service_that_did_not_notice_accepts_again, start,
                                        end),
        cmocka_unit_test_setup_teardown(test_who_owns_its_socket_leaves_the_page_alone, start,
                                        end),
        cmocka_unit_test_setup_teardown(
            test_what_waits_in_a_socket_of_its_own_is_taken_at_the_end, start, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
