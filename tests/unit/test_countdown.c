/* SPDX-License-Identifier: MIT
 *
 * A time limit for somebody else, by a clock that the test moves: nobody is late because this
 * process was away.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "countdown.h"
#include "fake_clock.h"

#define LIMIT_MS 5000u

static struct {
    uv_loop_t loop;
    struct countdown countdown;
    unsigned ends;
} here;

static void on_over(struct countdown *countdown) {
    assert_ptr_equal(countdown->owner, &here);
    here.ends++;
}

static int set_up(void **state) {
    (void)state;
    here.ends = 0;
    assert_int_equal(uv_loop_init(&here.loop), 0);
    countdown_init(&here.countdown, &here.loop, &here);
    countdown_start(&here.countdown, LIMIT_MS, on_over);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    countdown_close(&here.countdown, NULL);
    uv_run(&here.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&here.loop), 0);
    return 0;
}

static void jump(uint64_t ms) {
    fake_clock_pass(ms);
    uv_run(&here.loop, UV_RUN_NOWAIT);
}

/* The loop turns meanwhile. */
static void pass(uint64_t ms) {
    for (uint64_t passed = 0; passed < ms; passed += 10)
        jump(10);
}

static void test_a_loop_that_turns_ends_in_time(void **state) {
    (void)state;
    pass(LIMIT_MS - 10);
    assert_int_equal(here.ends, 0);
    pass(100);
    assert_int_equal(here.ends, 1);
    pass(2 * LIMIT_MS);
    assert_int_equal(here.ends, 1);
}

static void test_a_pause_counts_as_one_step(void **state) {
    (void)state;
    pass(1000);
    jump(100 * LIMIT_MS);
    assert_int_equal(here.ends, 0);
    pass(LIMIT_MS - 1000 - COUNTDOWN_STEP_MS - 20);
    assert_int_equal(here.ends, 0);
    pass(100);
    assert_int_equal(here.ends, 1);
}

static void test_a_pause_at_the_end_leaves_a_step_to_be_heard(void **state) {
    (void)state;
    pass(LIMIT_MS - 10);
    jump(3000);
    assert_int_equal(here.ends, 0);
    pass(COUNTDOWN_STEP_MS - 10);
    assert_int_equal(here.ends, 0);
    pass(100);
    assert_int_equal(here.ends, 1);
}

/* A machine that gives us no time for long is no reason to wait for ever. */
static void test_pauses_without_end_end(void **state) {
    (void)state;
    for (uint64_t steps = 0; steps <= LIMIT_MS / COUNTDOWN_STEP_MS; steps++) {
        assert_int_equal(here.ends, 0);
        jump(10 * LIMIT_MS);
    }
    assert_int_equal(here.ends, 1);
}

static void test_a_start_begins_anew(void **state) {
    (void)state;
    pass(LIMIT_MS - 10);
    countdown_start(&here.countdown, LIMIT_MS, on_over);
    pass(LIMIT_MS - 10);
    assert_int_equal(here.ends, 0);
    countdown_stop(&here.countdown);
    pass(2 * LIMIT_MS);
    assert_int_equal(here.ends, 0);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        test(test_a_loop_that_turns_ends_in_time),
        test(test_a_pause_counts_as_one_step),
        test(test_a_pause_at_the_end_leaves_a_step_to_be_heard),
        test(test_pauses_without_end_end),
        test(test_a_start_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
