/* SPDX-License-Identifier: MIT
 *
 * The distance of words, and which ones are near enough to be suggested.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "nearest.h"

static void test_distance(void **state) {
    (void)state;
    assert_int_equal(nearest_distance("", ""), 0);
    assert_int_equal(nearest_distance("", "abc"), 3);
    assert_int_equal(nearest_distance("abc", ""), 3);
    assert_int_equal(nearest_distance("limits", "limits"), 0);
    assert_int_equal(nearest_distance("Limits", "lIMITS"), 0);
    assert_int_equal(nearest_distance("limit", "limits"), 1);
    assert_int_equal(nearest_distance("limtis", "limits"), 1);
    assert_int_equal(nearest_distance("kitten", "sitting"), 3);
    assert_int_equal(nearest_distance("ab", "ba"), 1);
    assert_int_equal(nearest_distance("websocket", "text"), 7);
}

static void test_distance_is_symmetric(void **state) {
    static const char *const words[] = {"app", "user", "group", "run_dir", "log", "socket", ""};
    size_t count = sizeof(words) / sizeof(*words);
    (void)state;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++)
            assert_int_equal(nearest_distance(words[i], words[j]),
                             nearest_distance(words[j], words[i]));
}

static void test_long_words_are_far(void **state) {
    char longest[NEAREST_WORD_MAX + 1], longer[NEAREST_WORD_MAX + 2];
    (void)state;
    memset(longest, 'a', sizeof(longest));
    longest[NEAREST_WORD_MAX] = '\0';
    memset(longer, 'a', sizeof(longer));
    longer[NEAREST_WORD_MAX + 1] = '\0';
    assert_int_equal(nearest_distance(longest, longest), 0);
    assert_int_equal(nearest_distance(longest, ""), NEAREST_WORD_MAX);
    assert_int_equal(nearest_distance(longer, longest), NEAREST_WORD_MAX + 1);
    assert_int_equal(nearest_distance(longest, longer), NEAREST_WORD_MAX + 1);
}

static const char *suggest(const char *word) {
    static const char *const known[] = {"stop", "start", "status", "reload", "workers", "tls"};
    struct nearest nearest;
    nearest_init(&nearest, word);
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        nearest_offer(&nearest, known[i]);
    return nearest.best;
}

static void test_suggestions(void **state) {
    (void)state;
    assert_string_equal(suggest("worker"), "workers");
    assert_string_equal(suggest("Workers"), "workers");
    assert_string_equal(suggest("strat"), "start");
    assert_string_equal(suggest("relaod"), "reload");
    assert_string_equal(suggest("sotp"), "stop");
    assert_string_equal(suggest("tsl"), "tls");
    assert_null(suggest("banana"));
    assert_null(suggest("x"));
    assert_null(suggest(""));
    assert_null(suggest("connections"));
}

static void test_words_that_begin_alike(void **state) {
    char long_word[] = "stopxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    (void)state;
    assert_string_equal(suggest("work"), "workers");
    assert_string_equal(suggest("WORK"), "workers");
    assert_string_equal(suggest("reload_now"), "reload");
    assert_string_equal(suggest("st"), "stop");       /* the shortest */
    assert_string_equal(suggest("stat"), "status");   /* before "start", one letter away */
    assert_string_equal(suggest("started"), "start"); /* the nearest that it goes on from */
    assert_null(suggest("s"));
    assert_null(suggest("tlx_stop"));
    assert_int_equal(strlen(long_word), NEAREST_WORD_MAX + 4);
    assert_null(suggest(long_word));
    long_word[NEAREST_WORD_MAX] = '\0';
    assert_string_equal(suggest(long_word), "stop");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_distance_is_symmetric),
        cmocka_unit_test(test_long_words_are_far),
        cmocka_unit_test(test_suggestions),
        cmocka_unit_test(test_words_that_begin_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
