/* SPDX-License-Identifier: MIT
 *
 * Which bytes of a text are replaced before it goes to a terminal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "printable.h"

static void expect(const char *given, char instead, const char *expected) {
    char text[64];
    snprintf(text, sizeof(text), "%s", given);
    printable_make(text, instead);
    assert_string_equal(text, expected);
}

static void test_control_characters_are_replaced(void **state) {
    (void)state;
    expect("\x1b[2J", '?', "?[2J");
    expect("a\tb\r\nc\x7f\x01", '?', "a?b??c??");
    expect("one\ntwo", ' ', "one two");
}

static void test_letters_stay(void **state) {
    (void)state;
    expect("", '?', "");
    expect(" ~09aZ", '?', " ~09aZ");
    expect("Gr\xc3\xbc\xc3\x9f"
           "e \xe4\xb8\xad",
           '?',
           "Gr\xc3\xbc\xc3\x9f"
           "e \xe4\xb8\xad");
}

static void test_every_byte(void **state) {
    (void)state;
    for (unsigned byte = 1; byte < 256; byte++) {
        char text[] = {(char)byte, '\0'};
        printable_make(text, '?');
        bool is_control = byte < 0x20 || byte == 0x7f;
        assert_int_equal((unsigned char)text[0], is_control ? '?' : byte);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_control_characters_are_replaced),
                                       cmocka_unit_test(test_letters_stay),
                                       cmocka_unit_test(test_every_byte)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
