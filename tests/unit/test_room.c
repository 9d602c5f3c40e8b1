/* SPDX-License-Identifier: MIT
 *
 * The services of a process share what its limit of open files leaves for connections: two of
 * them without a limit of their own, on sockets of loopback. And who gets a connection for
 * which there is no place: another worker, or nobody.
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
static struct score_page sibling; /* of another worker, if it is one */

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

/* Another worker accepts, and has no connection too few. */
static void add_sibling(void) {
    score_set(sibling.magic, SCORE_MAGIC);
    score_set(sibling.version, SCORE_VERSION);
    score_set(sibling.rows, COUNTER_COUNT);
    score_set(sibling.line.state, SCORE_ACCEPTING);
    score_set(sibling.line.connections, 1000);
    score_set(sibling.line.tick_at, UINT64_MAX / 2);
    worker.siblings.list[worker.siblings.count++].page = &sibling;
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
    service->index = place == &second;
    services_add(service);
    assert_int_equal(service_start(service, why, sizeof(why)), 0);
    assert_int_equal(service_accept(service), 0);
}

static int start(void **state) {
    static const struct service_events events = {.conn_ended = services_have_room};
    struct rlimit usual, low;
    (void)state;
    memset(&worker, 0, sizeof(worker));
    memset(&sibling, 0, sizeof(sibling));
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
    uv_run(&worker.loop, UV_RUN_NOWAIT); /* timers */
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

static size_t live(const struct place *place) {
    return endpoint_live(&place->service->endpoint);
}

static bool is_so(size_t of_first, size_t of_second, enum score_state state) {
    return live(&first) == of_first && live(&second) == of_second &&
           score_get(worker.line->state) == state;
}

/* Comes to be so: what a client does is seen a moment later. */
static void expect(size_t of_first, size_t of_second, enum score_state state) {
    for (int i = 0; i < TURNS_MAX && !is_so(of_first, of_second, state); i++)
        turn(TURN_MS);
    assert_int_equal(live(&first), of_first);
    assert_int_equal(live(&second), of_second);
    assert_int_equal(worker.room.taken - worker.room.turned_away, of_first + of_second);
    assert_int_equal(score_get(worker.line->state), state);
}

static void expect_turned_away(uint64_t count) {
    for (int i = 0; i < TURNS_MAX && worker.conns.totals.turned_away < count; i++)
        turn(TURN_MS);
    assert_int_equal(worker.conns.totals.turned_away, count);
    assert_int_equal(worker.conns.totals.refused, count);
}

static bool is_watching(const struct place *place) {
    return place->service->acceptor.listener.is_watching;
}

/* It leaves what comes to others. */
static void wait_until_it_leaves(const struct place *place) {
    for (int i = 0; i < TURNS_MAX && is_watching(place); i++)
        turn(TURN_MS);
    assert_false(is_watching(place));
}

/* The last of its clients are told that they are not served: by the end, not by a reset. */
static void expect_ends(const struct place *place, size_t count) {
    char byte;
    for (size_t i = place->count - count; i < place->count; i++)
        assert_int_equal(recv(place->clients[i], &byte, 1, 0), 0);
}

static void test_all_services_together_take_no_more_than_there_is_room_for(void **state) {
    (void)state;
    join(&first, ROOM - 10);
    expect(ROOM - 10, 0, SCORE_ACCEPTING);
    join(&second, 20);
    expect(ROOM - 10, 10, SCORE_FULL);
    expect_turned_away(10);
    expect_ends(&second, 10);
    assert_int_equal(worker.room.turned_away, worker.room.spare);
}

static void test_who_has_no_place_is_left_to_a_worker_that_has_one(void **state) {
    (void)state;
    add_sibling();
    first.service->acceptor.limit = 2;
    join(&first, 3);
    wait_until_it_leaves(&first);
    expect(2, 0, SCORE_ACCEPTING);
    wait_for_backlog(&first, 1);
    expect_turned_away(0);
    assert_int_equal(score_get(worker.line->full_services), 1);
    abort_one(&first);
}

/* Of the sibling only the other service has room. */
static void test_a_sibling_is_asked_for_the_same_service(void **state) {
    (void)state;
    add_sibling();
    score_set(sibling.line.full_services, 1);
    first.service->acceptor.limit = 2;
    second.service->acceptor.limit = 2;
    join(&first, 3);
    expect(2, 0, SCORE_ACCEPTING);
    expect_turned_away(1);
    expect_ends(&first, 1);
    join(&second, 3);
    wait_until_it_leaves(&second);
    expect(2, 2, SCORE_FULL);
    expect_turned_away(1);
    assert_true(is_watching(&first));
    assert_int_equal(score_get(worker.line->full_services), 3);
}

/* In the middle of a reload: its first service is another. */
static void test_a_sibling_with_other_services_is_asked_as_a_whole(void **state) {
    (void)state;
    add_sibling();
    score_set(sibling.line.full_services, 1);
    score_set(sibling.line.services, 4711);
    first.service->acceptor.limit = 2;
    join(&first, 3);
    wait_until_it_leaves(&first);
    expect_turned_away(0);
    score_set(sibling.line.state, SCORE_FULL);
    listener_resume(&first.service->acceptor.listener);
    expect_turned_away(1);
}

/* A place that becomes free goes to the next that comes, and to nobody who was turned away. */
static void test_a_free_place_is_taken_again(void **state) {
    (void)state;
    first.service->acceptor.limit = 2;
    join(&first, 3);
    expect(2, 0, SCORE_ACCEPTING);
    expect_turned_away(1);
    close(first.clients[0]);
    expect(1, 0, SCORE_ACCEPTING);
    assert_int_equal(score_get(worker.line->full_services), 0);
    first.clients[0] = first.clients[--first.count];
    join(&first, 1);
    expect(2, 0, SCORE_ACCEPTING);
    expect_turned_away(1);
}

/* However many come, only so many are kept while they are told. */
static void test_not_more_than_a_bound_are_told(void **state) {
    (void)state;
    worker.room.limit = 1000;
    first.service->acceptor.limit = 1;
    join(&first, FILES);
    join(&second, 1);
    expect(1, 1, SCORE_ACCEPTING);
    expect_turned_away(FILES - 1);
    join(&second, 5);
    second.service->acceptor.limit = 1;
    expect_ends(&first, FILES - 1);
    assert_int_equal(first.service->endpoint.turned_away, FILES - 1);
}

static void test_the_end_of_a_connection_wakes_the_other_service(void **state) {
    (void)state;
    add_sibling();
    join(&first, ROOM);
    expect(ROOM, 0, SCORE_FULL);
    join(&second, 2);
    wait_until_it_leaves(&second);
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
    expect_turned_away(1);
}

static void test_what_waits_in_a_socket_of_its_own_is_taken_at_the_end(void **state) {
    (void)state;
    second.service->owns_socket = true;
    add_sibling();
    second.service->owns_socket = false; /* it leaves them to others */
    join(&first, ROOM);
    expect(ROOM, 0, SCORE_FULL);
    join(&second, 3);
    wait_until_it_leaves(&second);
    wait_for_backlog(&second, 3);
    second.service->owns_socket = true;
    services_stop_accepting(&worker, false);
    expect(ROOM, 3, SCORE_DRAINING);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_all_services_together_take_no_more_than_there_is_room_for, start, end),
        cmocka_unit_test_setup_teardown(test_who_has_no_place_is_left_to_a_worker_that_has_one,
                                        start, end),
        cmocka_unit_test_setup_teardown(test_a_sibling_is_asked_for_the_same_service, start,
                                        end),
        cmocka_unit_test_setup_teardown(test_a_sibling_with_other_services_is_asked_as_a_whole,
                                        start, end),
        cmocka_unit_test_setup_teardown(test_a_free_place_is_taken_again, start, end),
        cmocka_unit_test_setup_teardown(test_not_more_than_a_bound_are_told, start, end),
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
