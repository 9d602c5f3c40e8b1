/* SPDX-License-Identifier: MIT
 *
 * Texts of others on their way to a terminal, and that programs read the same values.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "say.h"

static void test_a_line_is_one_line(void **state) {
    (void)state;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    say_line(out, "%s: %s", "probe/0", "\x1b]0;x\x07\nforged \xc2\x9b\xe4\xb8\xad");
    fclose(out);
    assert_string_equal(text, "probe/0: \\x1b]0;x\\x07\\x0aforged \\xc2\\x9b\xe4\xb8\xad\n");
    free(text);
}

static void test_each_line_has_the_lead(void **state) {
    (void)state;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    say_lines(out, "crewman: ", "a.json:1:1: one\na.json:2:1: two\x07\n");
    fclose(out);
    assert_string_equal(text, "crewman: a.json:1:1: one\ncrewman: a.json:2:1: two\\x07\n");
    free(text);
}

static void test_json_is_the_same_for_programs(void **state) {
    static const char odd[] = "a\x7f\xc2\x9b\xe2\x80\xae\xe4\xb8\xad\x1b\n\xf0\x9f\x98\x80";
    (void)state;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    json_t *value = json_pack("{s:s}", odd, odd);
    say_json(out, value, JSON_INDENT(2));
    fclose(out);
    assert_null(strpbrk(text, "\x7f\x1b\x9b"));
    assert_non_null(strstr(text, "\\u007f\\u009b\\u202e\xe4\xb8\xad"));
    json_t *again = json_loads(text, 0, NULL);
    assert_true(json_equal(value, again));
    json_decref(value);
    json_decref(again);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_line_is_one_line),
                                       cmocka_unit_test(test_each_line_has_the_lead),
                                       cmocka_unit_test(test_json_is_the_same_for_programs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
