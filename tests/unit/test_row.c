/* SPDX-License-Identifier: MIT
 *
 * Numbers of rows, which workers may have written: within bounds, and so are their sums.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "row.h"

static void numbers_are_held_within_bounds(void **state) {
    (void)state;
    json_t *row = json_pack("{s:I, s:I, s:I, s:s}", "low", (json_int_t)INT64_MIN, "high",
                            (json_int_t)INT64_MAX, "fine", (json_int_t)7, "text", "7");
    assert_int_equal(row_number(row, "low"), 0);
    assert_int_equal(row_number(row, "high"), ROW_NUMBER_MAX);
    assert_int_equal(row_number(row, "fine"), 7);
    assert_int_equal(row_number(row, "text"), 0);
    assert_int_equal(row_number(row, "none"), 0);
    assert_int_equal(row_number(NULL, "none"), 0);
    json_decref(row);
}

static void sums_stop_at_the_bound(void **state) {
    json_int_t sum = 0;
    (void)state;
    for (int i = 0; i < 5000; i++)
        sum = row_sum(sum, ROW_NUMBER_MAX);
    assert_int_equal(sum, ROW_NUMBER_MAX);
    assert_int_equal(row_sum(2, 3), 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_held_within_bounds),
        cmocka_unit_test(sums_stop_at_the_bound),
    };
    return cmocka_run_group_tests_name("row", tests, NULL, NULL);
}
