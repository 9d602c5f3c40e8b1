/* SPDX-License-Identifier: MIT
 *
 * Durations and sizes: what is read, what is refused, and that printing is the inverse of
 * reading.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "units.h"

struct reading {
    const char *text;
    int rc;
    uint64_t value;
};

static void check(const struct reading *readings, int (*parse)(const char *, uint64_t *)) {
    for (; readings->text; readings++) {
        uint64_t value = 4711;
        int rc = parse(readings->text, &value);
        if (rc != readings->rc || value != (rc == 0 ? readings->value : 4711))
            fail_msg("\"%s\": %d, %ju", readings->text, rc, (uintmax_t)value);
    }
}

static void test_duration_parse(void **state) {
    static const struct reading readings[] = {
        {"0", 0, 0},
        {"0s", 0, 0},
        {"0.0", 0, 0},
        {"1ms", 0, 1},
        {"250ms", 0, 250},
        {"25s", 0, 25000},
        {"1.5s", 0, 1500},
        {"0.001s", 0, 1},
        {"1.5h", 0, 5400000},
        {"2m", 0, 120000},
        {"3650d", 0, 315360000000},
        {"3651d", -ERANGE, 0},
        {"87601h", -ERANGE, 0},
        {"315360000001ms", -ERANGE, 0},
        {"18446744073709551616ms", -ERANGE, 0},
        {"99999999999999999999999d", -ERANGE, 0},
        {"1.0005s", -EINVAL, 0},
        {"0.5ms", -EINVAL, 0},
        {"1.0000000000s", -EINVAL, 0},
        {"25", -EINVAL, 0},
        {"", -EINVAL, 0},
        {"s", -EINVAL, 0},
        {"25 s", -EINVAL, 0},
        {" 25s", -EINVAL, 0},
        {"25s ", -EINVAL, 0},
        {"-25s", -EINVAL, 0},
        {"+25s", -EINVAL, 0},
        {"25S", -EINVAL, 0},
        {"25sec", -EINVAL, 0},
        {"1.s", -EINVAL, 0},
        {".5s", -EINVAL, 0},
        {"1e3s", -EINVAL, 0},
        {"1.5.5s", -EINVAL, 0},
        {"1m30s", -EINVAL, 0},
        {NULL, 0, 0},
    };
    (void)state;
    check(readings, duration_parse);
}

static void test_size_parse(void **state) {
    static const struct reading readings[] = {
        {"0", 0, 0},
        {"17", 0, 17},
        {"17b", 0, 17},
        {"64k", 0, 65536},
        {"64K", 0, 65536},
        {"10m", 0, 10485760},
        {"1G", 0, 1073741824},
        {"1.5k", 0, 1536},
        {"4611686018427387904", 0, 4611686018427387904},
        {"4611686018427387905", -ERANGE, 0},
        {"4294967297g", -ERANGE, 0},
        {"99999999999999999999", -ERANGE, 0},
        {"1.3b", -EINVAL, 0},
        {"1.0001k", -EINVAL, 0},
        {"k", -EINVAL, 0},
        {"", -EINVAL, 0},
        {"-1", -EINVAL, 0},
        {"64kb", -EINVAL, 0},
        {"64 k", -EINVAL, 0},
        {"0x10", -EINVAL, 0},
        {NULL, 0, 0},
    };
    (void)state;
    check(readings, size_parse);
}

static void test_format(void **state) {
    char text[32];
    (void)state;
#define FORMATS(function, value, expected)                                                     \
    function(value, text, sizeof(text));                                                       \
    assert_string_equal(text, expected)
    FORMATS(duration_format, 0, "0");
    FORMATS(duration_format, 1, "1ms");
    FORMATS(duration_format, 1500, "1500ms");
    FORMATS(duration_format, 90000, "90s");
    FORMATS(duration_format, 120000, "2m");
    FORMATS(duration_format, 5400000, "90m");
    FORMATS(duration_format, 86400000, "1d");
    FORMATS(size_format, 0, "0");
    FORMATS(size_format, 1023, "1023");
    FORMATS(size_format, 1024, "1k");
    FORMATS(size_format, 1536, "1536");
    FORMATS(size_format, 10485760, "10m");
    FORMATS(size_format, 2147483648, "2g");
#undef FORMATS
}

static void test_format_is_inverse(void **state) {
    uint64_t seed = 1;
    (void)state;
    for (int i = 0; i < 20000; i++) {
        char text[32];
        uint64_t value = 0, again = 0;
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        value = (seed >> 28) % (3650ull * 86400000);
        if (i % 2)
            value -= value % 60000;
        duration_format(value, text, sizeof(text));
        assert_int_equal(duration_parse(text, &again), 0);
        assert_int_equal(again, value);
        size_format(value, text, sizeof(text));
        assert_int_equal(size_parse(text, &again), 0);
        assert_int_equal(again, value);
    }
}

static void test_format_cuts(void **state) {
    char text[4] = "xxx";
    (void)state;
    duration_format(123456, text, sizeof(text));
    assert_string_equal(text, "123");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_duration_parse), cmocka_unit_test(test_size_parse),
        cmocka_unit_test(test_format),         cmocka_unit_test(test_format_is_inverse),
        cmocka_unit_test(test_format_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
