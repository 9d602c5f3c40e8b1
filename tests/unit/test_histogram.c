/* SPDX-License-Identifier: MIT
 *
 * The load generator's histogram against a sorted array of the same values.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../bench/load/histogram.h"

#define VALUES 5000

static int by_value(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* As many small values as large ones: `bits` of them count. */
static uint64_t random_value(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (*state >> 8) >> (*state % 40 + 8);
}

static void assert_near(uint64_t answer, uint64_t exact) {
    assert_true(answer >= exact);
    assert_true(answer - exact <= exact / 64);
}

static void test_quantiles_are_near(void **state) {
    static const double parts[] = {0, 0.01, 0.5, 0.9, 0.99, 0.999};
    static struct histogram histogram;
    static uint64_t values[VALUES];
    uint64_t seed = 88172645463325252u;
    (void)state;
    for (int round = 0; round < 50; round++) {
        memset(&histogram, 0, sizeof(histogram));
        for (int i = 0; i < VALUES; i++) {
            values[i] = random_value(&seed);
            histogram_add(&histogram, values[i]);
        }
        qsort(values, VALUES, sizeof(*values), by_value);
        for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
            assert_near(histogram_quantile(&histogram, parts[i]),
                        values[(size_t)(parts[i] * VALUES)]);
        assert_int_equal(histogram_quantile(&histogram, 1), values[VALUES - 1]);
        assert_int_equal(histogram.max, values[VALUES - 1]);
        assert_int_equal(histogram.total, VALUES);
    }
}

static void test_edges(void **state) {
    static struct histogram histogram;
    (void)state;
    assert_int_equal(histogram_quantile(&histogram, 0.5), 0);
    for (unsigned bit = 0; bit < 63; bit++) {
        for (int step = -1; step <= 1; step++) {
            uint64_t value = ((uint64_t)1 << bit) + (uint64_t)(int64_t)step;
            memset(&histogram, 0, sizeof(histogram));
            histogram_add(&histogram, value);
            histogram_add(&histogram, UINT64_MAX / 2);
            assert_near(histogram_quantile(&histogram, 0), value);
        }
    }
    memset(&histogram, 0, sizeof(histogram));
    histogram_add(&histogram, UINT64_MAX);
    assert_true(histogram_quantile(&histogram, 0.5) == UINT64_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantiles_are_near),
        cmocka_unit_test(test_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
