/* SPDX-License-Identifier: MIT
 *
 * Listening sockets are mended: what a worker does to what it shares with the others is
 * noticed, and put right where the kernel lets it.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sockets_help.h"

static void set_blocking(int fd) {
    assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK), 0);
}

static void a_stream_that_was_ended_listens_again(void **state) {
    (void)state;
    char text[64];
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    close(take_port(text, sizeof(text)));
    struct config_service service = service_on(text, 1);
    struct sockets *sockets = open_service(&service);
    int fd = sockets_get(sockets, 0);
    assert_int_equal(sockets_mend(sockets), MEND_FINE);
    assert_int_equal(shutdown(fd, SHUT_RDWR), 0);
    assert_int_equal(sockets_mend(sockets), MEND_DONE);
    assert_true(takes(fd, text));
    assert_int_equal(connect(fd, &nobody, sizeof(nobody)), 0);
    assert_int_equal(sockets_mend(sockets), MEND_DONE);
    assert_true(takes(fd, text));
    set_blocking(fd);
    assert_int_equal(sockets_mend(sockets), MEND_DONE);
    assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    assert_int_equal(sockets_mend(sockets), MEND_FINE);
    sockets_unref(sockets);
}

/* What a worker does that shuts it and takes it for something else. */
static void spoil(int fd, int other) {
    struct sockaddr_in peer = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                               .sin_port = htons(port_of(other))};
    assert_int_equal(listen(other, 4), 0);
    assert_int_equal(shutdown(fd, SHUT_RDWR), 0);
    (void)connect(fd, (struct sockaddr *)&peer, sizeof(peer));
}

/* It listens no more, and what made it so is gone by the time that somebody looks. */
static void a_stream_that_became_another_is_noticed(void **state) {
    (void)state;
    char text[64], other_text[64];
    int other = take_port(other_text, sizeof(other_text));
    close(take_port(text, sizeof(text)));
    struct config_service service = service_on(text, 1);
    struct sockets *sockets = open_service(&service);
    int fd = sockets_get(sockets, 0);
    spoil(fd, other);
    assert_int_equal(sockets_get(sockets, 0), fd); /* for a worker that comes */
    assert_int_equal(sockets_mend(sockets), MEND_BROKEN);
    close(other);
    sockets_unref(sockets);
}

/* The same, before anybody has looked while it listened: a worker has, and told that it is
 * ready. */
static void one_that_a_worker_listened_on_is_noticed_too(void **state) {
    (void)state;
    char text[64], other_text[64];
    int other = take_port(other_text, sizeof(other_text));
    close(take_port(text, sizeof(text)));
    struct config_service service = service_on(text, 1);
    struct sockets *sockets;
    assert_int_equal(sockets_open_beside(&service, &sockets, why, sizeof(why)), 0);
    int fd = sockets_get(sockets, 0);
    assert_int_equal(sockets_mend(sockets), MEND_FINE);
    assert_false(is_listening(fd));
    assert_int_equal(listen(fd, 4), 0);
    sockets_note_listening(sockets, 0);
    spoil(fd, other);
    assert_int_equal(sockets_get(sockets, 0), fd);
    assert_int_equal(sockets_mend(sockets), MEND_BROKEN);
    close(other);
    sockets_unref(sockets);
}

/* By options that any process may set. */
static void clients_that_a_worker_shut_out_come_again(void **state) {
    (void)state;
    char text[64], device[16];
    int most = 255, one = 1, hops = 0, lowest = 0;
    socklen_t len = sizeof(hops), device_len = sizeof(device);
    close(take_port(text, sizeof(text)));
    struct config_service service = service_on(text, 1);
    struct sockets *sockets = open_service(&service);
    int fd = sockets_get(sockets, 0);
    assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_MINTTL, &most, sizeof(most)), 0);
    assert_int_equal(sockets_mend(sockets), MEND_DONE);
    assert_true(takes(fd, text));
    assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_TTL, &one, sizeof(one)), 0);
    assert_int_equal(sockets_mend(sockets), MEND_DONE);
    assert_int_equal(getsockopt(fd, IPPROTO_IP, IP_TTL, &hops, &len), 0);
    assert_true(hops > one);
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &most, sizeof(most)), 0);
    assert_int_equal(sockets_mend(sockets), MEND_DONE);
    assert_true(takes(fd, text));
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &most, sizeof(most)), 0);
    assert_int_equal(sockets_mend(sockets), MEND_DONE);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &lowest, &len), 0);
    assert_int_equal(lowest, 1);
    assert_int_equal(sockets_mend(sockets), MEND_FINE);
    if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2) == 0) { /* not on an old kernel */
        assert_int_not_equal(sockets_mend(sockets), MEND_FINE);
        assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, &device_len), 0);
        assert_true(device_len == 0 || geteuid() != 0);
    }
    sockets_unref(sockets);
}

/* As many as the configuration says wait again, whatever a worker made of it. */
static void a_queue_gets_its_length_back(void **state) {
    (void)state;
    char text[64];
    int clients[8];
    close(take_port(text, sizeof(text)));
    struct config_service service = service_on(text, 1);
    struct sockets *sockets = open_service(&service);
    assert_int_equal(listen(sockets_get(sockets, 0), 0), 0);
    assert_int_equal(sockets_mend(sockets), MEND_FINE);
    for (unsigned i = 0; i < 8; i++)
        clients[i] = dial(text);
    for (unsigned i = 0; i < 8; i++)
        close(clients[i]);
    sockets_unref(sockets);
}

static void nobody_makes_it_deaf(void **state) {
    (void)state;
    char text[64];
    int group = 0;
    close(take_port(text, sizeof(text)));
    struct config_service service = service_on(text, 1);
    struct sockets *sockets = open_service(&service);
    assert_int_equal(setsockopt(sockets_get(sockets, 0), SOL_SOCKET, SO_DETACH_FILTER, &group,
                                sizeof(group)),
                     -1);
    assert_int_equal(errno, EPERM);
    sockets_unref(sockets);
}

static void a_dead_unix_socket_is_replaced(void **state) {
    (void)state;
    char text[128];
    snprintf(text, sizeof(text), "unix://%s", path);
    struct config_service service = service_on(text, 1);
    struct sockets *old = open_service(&service), *again;
    int fd = sockets_get(old, 0);
    assert_int_equal(sockets_mend(old), MEND_FINE);
    assert_int_equal(shutdown(fd, SHUT_RDWR), 0);
    assert_int_equal(sockets_mend(old), MEND_BROKEN);
    again = open_service(&service);
    sockets_unref(old);
    assert_int_equal(connect_to_path(), 0);
    sockets_unref(again);
}

static void datagrams_of_one_peer_are_those_of_all_again(void **state) {
    (void)state;
    char text[64], udp[64];
    close(take_port(text, sizeof(text)));
    snprintf(udp, sizeof(udp), "udp://127.0.0.1:%s", strrchr(text, ':') + 1);
    struct config_service service = service_on(udp, 1);
    struct sockets *old = open_service(&service);
    int fd = sockets_get(old, 0);
    struct sockaddr_in peer = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                               .sin_port = htons(port_of(fd))};
    assert_int_equal(sockets_mend(old), MEND_FINE);
    assert_int_equal(connect(fd, (struct sockaddr *)&peer, sizeof(peer)), 0);
    assert_int_equal(sockets_mend(old), MEND_DONE);
    assert_int_equal(sockets_mend(old), MEND_FINE);
    assert_int_equal(shutdown(fd, SHUT_RDWR), -1); /* ENOTCONN, and yet */
    assert_int_equal(sockets_mend(old), MEND_BROKEN);
    sockets_share(old, true);
    struct sockets *again = open_beside(&service);
    char byte;
    sockets_share(old, false);
    sockets_share(again, false);
    int client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(sendto(client, "x", 1, 0, (struct sockaddr *)&peer, sizeof(peer)), 1);
    close(client);
    assert_true(gets_something(sockets_get(again, 0)));
    assert_int_equal(recv(sockets_get(again, 0), &byte, 1, MSG_DONTWAIT), 1);
    sockets_unref(old);
    sockets_unref(again);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_that_was_ended_listens_again),
        cmocka_unit_test(a_stream_that_became_another_is_noticed),
        cmocka_unit_test(one_that_a_worker_listened_on_is_noticed_too),
        cmocka_unit_test(clients_that_a_worker_shut_out_come_again),
        cmocka_unit_test(a_queue_gets_its_length_back),
        cmocka_unit_test(nobody_makes_it_deaf),
        IN_FOLDER(a_dead_unix_socket_is_replaced),
        cmocka_unit_test(datagrams_of_one_peer_are_those_of_all_again),
    };
    return cmocka_run_group_tests_name("sockets_mend", tests, NULL, NULL);
}
