/* SPDX-License-Identifier: MIT
 *
 * The memory of one request: pieces stay where they are, and a text that is asked for again is
 * the one that is there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "arena.h"

#define MANY 1000

static void pieces_stay(void **state) {
    (void)state;
    static char *copies[MANY];
    struct arena arena = {0};
    char text[5000];
    memset(text, 'x', sizeof(text));
    for (size_t i = 0; i < MANY; i++) {
        text[0] = (char)('a' + i % 26);
        copies[i] = arena_copy(&arena, text, i * 5);
        assert_int_equal((uintptr_t)copies[i] % _Alignof(max_align_t), 0);
    }
    for (size_t i = 1; i < MANY; i++) {
        assert_int_equal(strlen(copies[i]), i * 5);
        assert_int_equal(copies[i][0], 'a' + i % 26);
        assert_true(copies[i] != copies[i - 1]);
    }
    arena_done(&arena);
    assert_null(arena.blocks);
}

static void a_text_is_there_once(void **state) {
    (void)state;
    static const char *texts[MANY];
    struct arena arena = {0};
    char name[16];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++) {
            int len = snprintf(name, sizeof(name), "%d", i);
            const char *text = arena_text(&arena, name, (size_t)len);
            assert_string_equal(text, name);
            assert_true(round == 0 || text == texts[i]);
            texts[i] = text;
        }
    }
    assert_true(arena_text(&arena, "a\0b", 3) != arena_text(&arena, "a\0c", 3));
    assert_true(arena_text(&arena, "a\0b", 3) == arena_text(&arena, "a\0b", 3));
    assert_string_equal(arena_text(&arena, "12345", 2), "12");
    assert_string_equal(arena_text(&arena, "", 0), "");
    arena_done(&arena);
    assert_string_equal(arena_text(&arena, "12", 2), "12"); /* ready for the next */
    arena_done(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_stay),
        cmocka_unit_test(a_text_is_there_once),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
