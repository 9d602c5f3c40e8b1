/* SPDX-License-Identifier: MIT
 *
 * What a process sheds of what it has inherited of signals.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "signals.h"

static int put_back(void **state) {
    (void)state;
    for (int number = 1; number < NSIG; number++)
        if (number != SIGKILL && number != SIGSTOP)
            (void)signal(number, SIG_DFL);
    signals_release();
    return 0;
}

static void what_is_ignored_is_so_no_more(void **state) {
    (void)state;
    static const int numbers[] = {SIGCHLD, SIGTERM, SIGPIPE, SIGUSR1, SIGALRM, SIGTTOU};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        signal(numbers[i], SIG_IGN);
    signals_reset();
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        assert_false(signals_ignores(numbers[i]));
}

static void what_shells_ignore_stays_so(void **state) {
    (void)state;
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signals_reset();
    assert_true(signals_ignores(SIGHUP));
    assert_true(signals_ignores(SIGINT));
    assert_false(signals_ignores(SIGQUIT));
}

static void timers_of_the_caller_end(void **state) {
    (void)state;
    struct itimerval timer = {.it_value.tv_sec = 3600};
    assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);
    signals_reset();
    assert_int_equal(getitimer(ITIMER_REAL, &timer), 0);
    assert_int_equal(timer.it_value.tv_sec, 0);
}

static volatile sig_atomic_t seen;

static void note(int number) {
    seen = number;
}

static void what_is_held_comes_when_it_is_released(void **state) {
    (void)state;
    seen = 0;
    signals_hold();
    kill(getpid(), SIGUSR1); /* would end us */
    signal(SIGUSR1, note);
    assert_int_equal(seen, 0);
    signals_release();
    assert_int_equal(seen, SIGUSR1);
}

static void what_is_disregarded_is_not_ignored(void **state) {
    (void)state;
    signals_disregard(SIGUSR2);
    assert_false(signals_ignores(SIGUSR2));
    kill(getpid(), SIGUSR2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_is_ignored_is_so_no_more, put_back),
        cmocka_unit_test_teardown(what_shells_ignore_stays_so, put_back),
        cmocka_unit_test_teardown(timers_of_the_caller_end, put_back),
        cmocka_unit_test_teardown(what_is_held_comes_when_it_is_released, put_back),
        cmocka_unit_test_teardown(what_is_disregarded_is_not_ignored, put_back),
    };
    return cmocka_run_group_tests_name("signals", tests, NULL, NULL);
}
