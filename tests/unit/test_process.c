/* SPDX-License-Identifier: MIT
 *
 * What a process does to itself and knows of others.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "process.h"

static void the_limit_of_descriptors_is_raised(void **state) {
    (void)state;
    struct rlimit old, small, now;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    small = old;
    small.rlim_cur = 64;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
    long limit = process_raise_nofile();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
    assert_int_equal(limit, (long)now.rlim_cur);
    assert_int_equal(now.rlim_cur, old.rlim_max);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
}

static void resident_memory_is_known(void **state) {
    (void)state;
    assert_in_range(process_rss(getpid()), 100 * 1024, (uintmax_t)16 << 30);
    assert_int_equal(process_rss(-1), 0);
}

static void signals_have_names(void **state) {
    (void)state;
    assert_string_equal(process_signal_name(SIGSEGV), "SIGSEGV");
    assert_string_equal(process_signal_name(SIGKILL), "SIGKILL");
    assert_string_equal(process_signal_name(64), "signal 64");
    assert_string_equal(process_signal_name(9999), "signal 9999");
}

static void flags_of_descriptors(void **state) {
    (void)state;
    int fd = open("/dev/null", O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    assert_int_equal(process_set_cloexec(fd), 0);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    close(fd);
    assert_int_equal(process_set_cloexec(fd), -EBADF);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit_of_descriptors_is_raised),
        cmocka_unit_test(resident_memory_is_known),
        cmocka_unit_test(signals_have_names),
        cmocka_unit_test(flags_of_descriptors),
    };
    return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
