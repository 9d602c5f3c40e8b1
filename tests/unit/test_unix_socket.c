/* SPDX-License-Identifier: MIT
 *
 * Paths of unix sockets, the longest one too, and who is at the other end.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "unix_socket.h"

static void test_a_path_becomes_an_address(void **state) {
    (void)state;
    struct sockaddr_un address;
    memset(&address, 'x', sizeof(address));
    assert_int_equal(unix_socket_address("/run/a.sock", &address), 0);
    assert_int_equal(address.sun_family, AF_UNIX);
    assert_string_equal(address.sun_path, "/run/a.sock");
    for (size_t i = strlen("/run/a.sock"); i < sizeof(address.sun_path); i++)
        assert_int_equal(address.sun_path[i], 0);
}

static void test_the_longest_path_has_room_for_its_end(void **state) {
    (void)state;
    struct sockaddr_un address;
    char path[sizeof(address.sun_path) + 1];
    memset(path, 'a', sizeof(path));
    path[sizeof(address.sun_path)] = '\0';
    address.sun_family = 4711;
    assert_int_equal(unix_socket_address(path, &address), -ENAMETOOLONG);
    assert_int_equal(address.sun_family, 4711);
    path[sizeof(address.sun_path) - 1] = '\0';
    assert_int_equal(unix_socket_address(path, &address), 0);
    assert_string_equal(address.sun_path, path);
}

static void test_the_other_end_is_known(void **state) {
    (void)state;
    int ends[2];
    struct ucred peer;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(unix_socket_peer(ends[0], &peer), 0);
    assert_int_equal(peer.pid, getpid());
    assert_int_equal(peer.uid, geteuid());
    assert_true(unix_socket_is_from(ends[0], geteuid()));
    assert_int_equal(unix_socket_is_from(ends[0], geteuid() + 1), geteuid() == 0);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(unix_socket_peer(ends[0], &peer), -EBADF);
    assert_false(unix_socket_is_from(ends[0], geteuid()));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_path_becomes_an_address),
        cmocka_unit_test(test_the_longest_path_has_room_for_its_end),
        cmocka_unit_test(test_the_other_end_is_known)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
