/* SPDX-License-Identifier: MIT
 *
 * What a listener takes before it is closed: all that waits then, and not those that go on
 * coming.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_comes_while_it_is_emptied_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
