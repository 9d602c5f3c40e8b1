/* SPDX-License-Identifier: MIT
 *
 * What a listener takes before it is closed: all that waits then, and not those that go on
 * coming. Whom it turns away when no descriptor is left, and what it does when its owner is
 * full.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "listener.h"

#define WAITING  100
#define TOO_MANY 400

static struct sockaddr_in address;
static int clients[TOO_MANY];
static int connected, accepted;

static void connect_one(void) {
    if (connected == TOO_MANY)
        return;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    clients[connected++] = fd;
}

/* For each that is taken another one comes. */
static void on_accepted(void *owner, int fd, const struct sockaddr *from, socklen_t len) {
    (void)owner;
    (void)from;
    (void)len;
    close(fd);
    accepted++;
    connect_one();
}

static int listen_somewhere(void) {
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, TOO_MANY), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    return fd;
}

static void test_who_comes_while_it_is_emptied_is_not_waited_for(void **state) {
    static const struct listener_ops ops = {.accepted = on_accepted};
    static struct listener listener;
    uv_loop_t loop;
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    int err = listener_open(&listener, &loop, NULL, listen_somewhere(), &ops, NULL);
    assert_int_equal(err, 0);
    for (int i = 0; i < WAITING; i++)
        connect_one();
    listener_empty(&listener);
    assert_int_equal(accepted, WAITING);
    listener_close(&listener);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    for (int i = 0; i < connected; i++)
        close(clients[i]);
}

static int starved, watching, turned_away;

static void on_starved(void *owner, int error, bool is_news) {
    (void)owner;
    (void)error;
    (void)is_news;
    starved++;
}

static void on_watching(void *owner) {
    (void)owner;
    watching++;
}

static void on_turned_away(void *owner, int fd, const struct sockaddr *from, socklen_t len) {
    (void)owner;
    assert_int_equal(from->sa_family, AF_INET);
    assert_int_equal(len, sizeof(struct sockaddr_in));
    close(fd);
    turned_away++;
}

/* So that what is open now is all there may be; answers the limit that was. */
static rlim_t take_descriptors(void) {
    struct rlimit files;
    int next = dup(0); /* the lowest that is free */
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    rlim_t before = files.rlim_cur;
    files.rlim_cur = (rlim_t)next;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    return before;
}

static void give_descriptors(rlim_t limit) {
    struct rlimit files;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = limit;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
}

static void run_until(uv_loop_t *loop, const int *count, int value) {
    while (*count < value)
        uv_run(loop, UV_RUN_ONCE);
    assert_int_equal(*count, value);
}

static void connect_to(int client) {
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void test_only_who_has_waited_for_a_pause_is_turned_away(void **state) {
    static const struct listener_ops ops = {.accepted = on_accepted,
                                            .starved = on_starved,
                                            .watching = on_watching,
                                            .turned_away = on_turned_away};
    static struct listener listener;
    uv_loop_t loop;
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    int fd = listen_somewhere();
    int first = socket(AF_INET, SOCK_STREAM, 0), second = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(listener_open(&listener, &loop, NULL, fd, &ops, NULL), 0);
    uv_run(&loop, UV_RUN_NOWAIT); /* it opens what it needs */
    rlim_t limit = take_descriptors();
    connect_to(first);
    run_until(&loop, &starved, 1);
    give_descriptors(limit);
    close(accept(fd, NULL, NULL)); /* another process has room */
    take_descriptors();
    run_until(&loop, &watching, 2);
    connect_to(second);
    run_until(&loop, &starved, 2);
    assert_int_equal(turned_away, 0); /* it has just come */
    run_until(&loop, &turned_away, 1);
    assert_int_equal(starved, 3);
    give_descriptors(limit);
    listener_close(&listener);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    close(first);
    close(second);
}

static bool has_others;

static bool have_others(void *owner) {
    (void)owner;
    return has_others;
}

/* However many pauses it waits for. */
static void test_who_may_be_taken_by_others_is_left_to_them(void **state) {
    static const struct listener_ops ops = {.accepted = on_accepted,
                                            .starved = on_starved,
                                            .turned_away = on_turned_away,
                                            .have_others = have_others};
    static struct listener listener;
    uv_loop_t loop;
    (void)state;
    starved = turned_away = 0;
    has_others = true;
    assert_int_equal(uv_loop_init(&loop), 0);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(listener_open(&listener, &loop, NULL, listen_somewhere(), &ops, NULL), 0);
    uv_run(&loop, UV_RUN_NOWAIT);
    rlim_t limit = take_descriptors();
    connect_to(client);
    run_until(&loop, &starved, 4);
    assert_int_equal(turned_away, 0);
    has_others = false;
    run_until(&loop, &turned_away, 1);
    give_descriptors(limit);
    listener_close(&listener);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    close(client);
}

static enum listener_verdict verdict;
static int asked, refused;

static enum listener_verdict may_accept(void *owner) {
    (void)owner;
    asked++;
    return verdict;
}

static void on_refused(void *owner, int fd) {
    (void)owner;
    close(fd);
    refused++;
}

static const struct listener_ops asking_ops = {.may_accept = may_accept,
                                               .accepted = on_accepted,
                                               .refused = on_refused,
                                               .watching = on_watching};

static void begin_asking(struct listener *listener, uv_loop_t *loop) {
    accepted = watching = asked = refused = connected = 0;
    assert_int_equal(uv_loop_init(loop), 0);
    int fd = listen_somewhere();
    assert_int_equal(listener_open(listener, loop, NULL, fd, &asking_ops, NULL), 0);
}

static void end_asking(struct listener *listener, uv_loop_t *loop) {
    listener_close(listener);
    uv_run(loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(loop), 0);
    for (int i = 0; i < connected; i++)
        close(clients[i]);
}

/* In batches, as those that are taken. */
static void test_where_nobody_has_room_all_are_refused(void **state) {
    static struct listener listener;
    uv_loop_t loop;
    (void)state;
    begin_asking(&listener, &loop);
    verdict = LISTENER_REFUSE;
    for (int i = 0; i < WAITING; i++)
        connect_one();
    uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(refused, 64);
    run_until(&loop, &refused, WAITING);
    assert_int_equal(accepted, 0);
    end_asking(&listener, &loop);
}

/* It is asked again, and joins those that are woken only when it has room, or nobody has. */
static void test_who_is_full_is_asked_again(void **state) {
    static struct listener listener;
    uv_loop_t loop;
    (void)state;
    begin_asking(&listener, &loop);
    verdict = LISTENER_FULL;
    connect_one();
    run_until(&loop, &asked, 4);
    assert_int_equal(watching, 1);
    assert_false(listener.is_watching);
    verdict = LISTENER_REFUSE;
    run_until(&loop, &refused, 1);
    assert_int_equal(watching, 2);
    end_asking(&listener, &loop);
}

static void test_who_has_room_again_does_not_wait_to_be_asked(void **state) {
    static struct listener listener;
    uv_loop_t loop;
    (void)state;
    begin_asking(&listener, &loop);
    verdict = LISTENER_FULL;
    connect_one();
    run_until(&loop, &asked, 1);
    verdict = LISTENER_TAKE;
    listener_resume(&listener);
    assert_true(listener.is_watching);
    assert_false(uv_is_active((uv_handle_t *)&listener.pause));
    connected = TOO_MANY; /* no other comes for it */
    run_until(&loop, &accepted, 1);
    connected = 1;
    end_asking(&listener, &loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_who_has_waited_for_a_pause_is_turned_away),
        cmocka_unit_test(test_who_comes_while_it_is_emptied_is_not_waited_for),
        cmocka_unit_test(test_who_may_be_taken_by_others_is_left_to_them),
        cmocka_unit_test(test_where_nobody_has_room_all_are_refused),
        cmocka_unit_test(test_who_is_full_is_asked_again),
        cmocka_unit_test(test_who_has_room_again_does_not_wait_to_be_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
