/* SPDX-License-Identifier: MIT
 *
 * Types by extension: the last dot of the last segment counts, case does not, the service's own
 * entries go first.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mime.h"

#define UNKNOWN "application/octet-stream"

static void knows_the_common_ones(void **state) {
    (void)state;
    /* the first and the last of the table, and those next to a longer one */
    static const char *const cases[][2] = {
        {"a.7z", "application/x-7z-compressed"},
        {"a.zip", "application/zip"},
        {"a.htm", "text/html;charset=utf-8"},
        {"a.html", "text/html;charset=utf-8"},
        {"a.js", "text/javascript;charset=utf-8"},
        {"a.json", "application/json"},
        {"a.jsonld", "application/ld+json"},
        {"a.tif", "image/tiff"},
        {"a.tiff", "image/tiff"},
        {"a.woff", "font/woff"},
        {"a.woff2", "font/woff2"},
        {"a.wasm", "application/wasm"},
        {"A.PNG", "image/png"},
        {"/x.css/y.z.svg", "image/svg+xml"},
        {"/x.css/y", UNKNOWN},
        {"a.", UNKNOWN},
        {"", UNKNOWN},
        {"png", UNKNOWN},
        {"a.pngx", UNKNOWN},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(mime_type(cases[i][0]), cases[i][1]);
}

static void own_entries_go_first(void **state) {
    (void)state;
    char *entries[] = {"png=a/b", "x=c/d", "PNG=e/f"};
    assert_string_equal(mime_type_of("/a.png", entries, 3), "e/f");
    assert_string_equal(mime_type_of("/a.X", entries, 3), "c/d");
    assert_string_equal(mime_type_of("/a.pn", entries, 3), UNKNOWN);
    assert_string_equal(mime_type_of("/a", entries, 3), UNKNOWN);
    assert_string_equal(mime_type_of("/a.gif", entries, 3), "image/gif");
}

static void entries_are_checked(void **state) {
    (void)state;
    static const char *const good[] = {"a=b/c", "a=b/c;d=e", "a=b/c; d=\"e\""};
    static const char *const bad[] = {"",    "a",    "=b/c",      "a=",      "a=b",
                                      "a=/", "a=b/", "a=b/c\r\n", "a b=c/d", "a=b c/d"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(mime_is_entry(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(mime_is_entry(bad[i]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_common_ones),
        cmocka_unit_test(own_entries_go_first),
        cmocka_unit_test(entries_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
