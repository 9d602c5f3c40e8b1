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
#include <string.h>

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

static void test_what_is_no_letter_is_replaced(void **state) {
    (void)state;
    expect("\xc2\x9b"
           "2J",
           '?', "??2J"); /* CSI as one character */
    expect("\xc2\xa0", '?', "\xc2\xa0");
    expect("a\xe2\x80\xae"
           "b\xe2\x81\xa6",
           '?', "a???b???"); /* an override and an isolate of direction */
    expect("\xe2\x80\xa8\xe2\x80\x8f\xd8\x9c", ' ', "        ");
    expect("\xe2\x80\xa2\xf0\x9f\x98\x80", '?', "\xe2\x80\xa2\xf0\x9f\x98\x80");
    expect("\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80\xe4\xb8", '?', "???????????");
}

static void test_every_byte(void **state) {
    (void)state;
    for (unsigned byte = 1; byte < 256; byte++) {
        char text[] = {(char)byte, '\0'};
        printable_make(text, '?');
        bool is_letter = byte >= 0x20 && byte < 0x7f;
        assert_int_equal((unsigned char)text[0], is_letter ? byte : '?');
    }
}

static void expect_copy(const char *given, size_t size, const char *expected) {
    char text[64];
    memset(text, 'x', sizeof(text));
    assert_int_equal(printable_copy(text, size, given), strlen(expected));
    assert_string_equal(text, expected);
    assert_int_equal(text[size], 'x');
}

static void test_a_copy_is_escaped_and_bounded(void **state) {
    (void)state;
    expect_copy("", 1, "");
    expect_copy("a\x1b]0;x\x07", 60, "a\\x1b]0;x\\x07");
    expect_copy("\xc2\x9b\xe4\xb8\xad\xff", 60, "\\xc2\\x9b\xe4\xb8\xad\\xff");
    expect_copy("a\x1b"
                "b",
                5, "a");
    expect_copy("a\x1b"
                "b",
                6, "a\\x1b");
    expect_copy("ab\xe4\xb8\xad", 5, "ab");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_control_characters_are_replaced),
                                       cmocka_unit_test(test_letters_stay),
                                       cmocka_unit_test(test_what_is_no_letter_is_replaced),
                                       cmocka_unit_test(test_every_byte),
                                       cmocka_unit_test(test_a_copy_is_escaped_and_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
