/* SPDX-License-Identifier: MIT
 *
 * What the master makes of the pages of its children: totals that never fall and that damage
 * does not blow up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tally.h"

static struct score_page page;

static int setup(void **state) {
    (void)state;
    memset(&page, 0, sizeof(page));
    page.magic = SCORE_MAGIC;
    page.version = SCORE_VERSION;
    page.rows = COUNTER_COUNT;
    return 0;
}

static void totals_never_fall_gauges_do(void **state) {
    struct tally tally = {{0}};
    (void)state;
    page.line.accepted = 9;
    page.line.connections = 5;
    assert_true(tally_read(&tally, &page));
    page.line.connections = 2;
    assert_true(tally_read(&tally, &page));
    page.line.accepted = 8;
    assert_false(tally_read(&tally, &page)); /* which is said */
    assert_true(tally.values[COUNTER_ACCEPTED] == 9);
    assert_true(tally.values[COUNTER_CONNECTIONS] == 2);
}

static void marks_may_have_any_bits(void **state) {
    struct tally tally = {{0}};
    (void)state;
    page.line.services = UINT64_MAX;
    assert_true(tally_read(&tally, &page));
}

static void a_page_that_was_wiped_out_takes_nothing_away(void **state) {
    struct tally tally = {{0}};
    (void)state;
    page.line.messages_in = 1000;
    tally_read(&tally, &page);
    memset(&page, 0xff, sizeof(page));
    tally_read(&tally, &page);
    assert_true(tally.values[COUNTER_MESSAGES_IN] == 1000);
}

static void numbers_beyond_reason_are_not_taken(void **state) {
    struct tally tally = {{0}};
    (void)state;
    page.line.messages_in = TALLY_VALUE_MAX;
    page.line.messages_out = TALLY_VALUE_MAX + 1;
    page.line.connections = UINT64_MAX;
    assert_false(tally_read(&tally, &page));
    assert_true(tally.values[COUNTER_MESSAGES_IN] == TALLY_VALUE_MAX);
    assert_true(tally.values[COUNTER_MESSAGES_OUT] == 0);
    assert_true(tally.values[COUNTER_CONNECTIONS] == 0);
}

static void sums_stop_at_the_end_and_do_not_wrap(void **state) {
    struct tally sum = {{0}}, one = {{0}};
    (void)state;
    one.values[COUNTER_ACCEPTED] = TALLY_VALUE_MAX - 1;
    one.values[COUNTER_CONNECTIONS] = 3;
    for (int i = 0; i < 5; i++)
        tally_add(&sum, &one);
    assert_true(sum.values[COUNTER_ACCEPTED] == TALLY_VALUE_MAX);
    assert_true(sum.values[COUNTER_CONNECTIONS] == 0); /* a gauge ends with its process */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(totals_never_fall_gauges_do, setup),
        cmocka_unit_test_setup(marks_may_have_any_bits, setup),
        cmocka_unit_test_setup(a_page_that_was_wiped_out_takes_nothing_away, setup),
        cmocka_unit_test_setup(numbers_beyond_reason_are_not_taken, setup),
        cmocka_unit_test_setup(sums_stop_at_the_end_and_do_not_wrap, setup),
    };
    return cmocka_run_group_tests_name("tally", tests, NULL, NULL);
}
