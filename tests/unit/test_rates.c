/* SPDX-License-Identifier: MIT
 *
 * How often an address did something in a second, against a model that forgets nobody: whoever
 * is refused has had all that the limit allows, however many addresses come.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rates.h"

#define LIMIT 3u
#define MANY  65536u

static struct rates rates;

static int start(void **state) {
    (void)state;
    rates_init(&rates, 0x1234567890abcdef);
    return rates_start(&rates);
}

static int end(void **state) {
    (void)state;
    rates_done(&rates);
    return 0;
}

static struct address host(uint32_t number) {
    struct address address = {.family = CREW_ADDR_IPV4};
    number++; /* 0.0.0.0 is nobody's */
    memcpy(address.bytes, &number, sizeof(number));
    return address;
}

static bool pass(uint32_t number, uint32_t second) {
    struct address address = host(number);
    return rates_pass(&rates, &address, LIMIT, second);
}

static void each_second_begins_anew(void **state) {
    (void)state;
    for (uint32_t second = 0; second < 5; second++) {
        for (unsigned i = 0; i < LIMIT; i++)
            assert_true(pass(1, second));
        assert_false(pass(1, second));
        assert_false(pass(1, second));
        assert_true(pass(2, second));
    }
}

static void a_few_addresses_are_counted_exactly(void **state) {
    (void)state;
    for (unsigned i = 0; i < LIMIT; i++)
        for (uint32_t number = 0; number < 4; number++)
            assert_true(pass(number, 7));
    for (uint32_t number = 0; number < 4; number++)
        assert_false(pass(number, 7));
}

static void nobody_is_refused_for_others(void **state) {
    (void)state;
    static unsigned counts[MANY];
    uint32_t random = 1, refused = 0;
    for (uint32_t second = 0; second < 3; second++) {
        memset(counts, 0, sizeof(counts));
        for (unsigned i = 0; i < 4 * MANY; i++) {
            random = random * 1664525u + 1013904223u;
            uint32_t number = random >> 16;
            if (number % 4 == 0)
                number = 0; /* one who floods */
            if (pass(number, second))
                counts[number] += counts[number] < LIMIT;
            else
                assert_true(++refused && counts[number] == LIMIT);
        }
    }
    assert_true(refused > MANY); /* the one who floods, far more often than it passed */
}

static void the_networks_of_ipv6_are_addresses(void **state) {
    (void)state;
    struct address one = {.family = CREW_ADDR_IPV6, .bytes = {0x20, 1}}, same = one, far = one;
    same.bytes[15] = 1;
    far.bytes[7] = 1;
    assert_true(rates_pass(&rates, &one, 1, 1));
    assert_false(rates_pass(&rates, &same, 1, 1));
    assert_true(rates_pass(&rates, &far, 1, 1));
}

static void who_has_no_address_is_not_counted(void **state) {
    (void)state;
    struct address none = {.family = CREW_ADDR_UNIX};
    for (int i = 0; i < 10; i++)
        assert_true(rates_pass(&rates, &none, 1, 1));
}

static void without_a_table_nobody_is(void **state) {
    (void)state;
    rates_done(&rates);
    for (int i = 0; i < 10; i++)
        assert_true(pass(1, 1));
}

/* The clock is one of 32 bits. */
static void seconds_may_wrap(void **state) {
    (void)state;
    for (unsigned i = 0; i < LIMIT; i++)
        assert_true(pass(1, UINT32_MAX));
    assert_false(pass(1, UINT32_MAX));
    assert_true(pass(1, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_second_begins_anew, start, end),
        cmocka_unit_test_setup_teardown(a_few_addresses_are_counted_exactly, start, end),
        cmocka_unit_test_setup_teardown(nobody_is_refused_for_others, start, end),
        cmocka_unit_test_setup_teardown(the_networks_of_ipv6_are_addresses, start, end),
        cmocka_unit_test_setup_teardown(who_has_no_address_is_not_counted, start, end),
        cmocka_unit_test_setup_teardown(without_a_table_nobody_is, start, end),
        cmocka_unit_test_setup_teardown(seconds_may_wrap, start, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
