/* SPDX-License-Identifier: MIT
 *
 * What a page says of a crash, as text: also when the page is nonsense.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "obituary.h"

static struct score_page page;
static char text[512];
static const struct obituary_app chat = {"chat.so", "1f2e"};

static int begin(void **state) {
    (void)state;
    memset(&page, 0, sizeof(page));
    page.magic = SCORE_MAGIC;
    page.version = SCORE_VERSION;
    page.crash.signal = 11;
    return 0;
}

static void put(uint64_t module, uint64_t offset) {
    uint64_t at = page.crash.count;
    page.crash.frames[at] = module << SCORE_OFFSET_BITS | offset;
    page.crash.count = at + 1;
}

static const char *told(void) {
    obituary_place(&page, &chat, text, sizeof(text));
    return text;
}

static void without_a_crash_there_is_nothing(void **state) {
    (void)state;
    assert_string_equal(told(), "");
    put(SCORE_MODULE_APP, 1);
    page.crash.signal = 0;
    assert_string_equal(told(), "");
    page.crash.signal = 11;
    page.magic = 0;
    assert_string_equal(told(), "");
}

static void frames_have_names_and_offsets(void **state) {
    (void)state;
    put(SCORE_MODULE_APP, 0x11a9);
    put(SCORE_MODULE_OTHER, 0x7f0012345678);
    put(SCORE_MODULE_WORKER, 0x2f11);
    assert_string_equal(told(), "; at chat.so+0x11a9, ?, crewman-worker+0x2f11 "
                                "(chat.so build-id 1f2e)");
}

static void libc_at_the_top_says_nothing(void **state) {
    (void)state;
    put(SCORE_MODULE_LIBC, 1);
    put(SCORE_MODULE_LIBC, 2);
    put(SCORE_MODULE_WORKER, 3);
    put(SCORE_MODULE_LIBC, 4);
    assert_string_equal(told(), "; at crewman-worker+0x3, libc+0x4");
}

static void where_all_is_libc_the_last_is_shown(void **state) {
    (void)state;
    put(SCORE_MODULE_LIBC, 1);
    put(SCORE_MODULE_LIBC, 2);
    assert_string_equal(told(), "; at libc+0x2");
}

static void five_are_shown(void **state) {
    (void)state;
    for (unsigned i = 0; i < SCORE_FRAMES; i++)
        put(SCORE_MODULE_WORKER, i);
    assert_string_equal(told(), "; at crewman-worker+0x0, crewman-worker+0x1, "
                                "crewman-worker+0x2, crewman-worker+0x3, crewman-worker+0x4");
}

static void nonsense_is_a_line(void **state) {
    (void)state;
    memset(&page.crash, 0xff, sizeof(page.crash));
    assert_string_equal(told(), "; at ?, ?, ?, ?, ?");
    for (size_t size = 1; size < 20; size++) {
        char small[20];
        obituary_place(&page, &chat, small, size);
        assert_true(strlen(small) < size);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_a_crash_there_is_nothing, begin),
        cmocka_unit_test_setup(frames_have_names_and_offsets, begin),
        cmocka_unit_test_setup(libc_at_the_top_says_nothing, begin),
        cmocka_unit_test_setup(where_all_is_libc_the_last_is_shown, begin),
        cmocka_unit_test_setup(five_are_shown, begin),
        cmocka_unit_test_setup(nonsense_is_a_line, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
