/* SPDX-License-Identifier: MIT
 *
 * When a line is due, and of how many events it tells.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "news.h"

static void test_the_first_at_once(void **state) {
    struct news news = {0};
    (void)state;
    assert_int_equal(news_add(&news, 0), 1);
}

static void test_at_most_one_line_in_ten_seconds(void **state) {
    struct news news = {0};
    uint64_t lines = 0, events = 0;
    (void)state;
    for (uint64_t now = 5; now < 5 + 10 * NEWS_EVERY_MS; now += 10) {
        uint64_t count = news_add(&news, now);
        lines += count > 0;
        events += count;
    }
    assert_int_equal(lines, 10);
    assert_int_equal(events + news.count, 10 * NEWS_EVERY_MS / 10);
}

static void test_after_silence_at_once(void **state) {
    struct news news = {0};
    (void)state;
    assert_int_equal(news_add(&news, 1), 1);
    assert_int_equal(news_add(&news, 2), 0);
    assert_int_equal(news_add(&news, NEWS_EVERY_MS), 0);
    assert_int_equal(news_add(&news, 1 + NEWS_EVERY_MS), 3);
    assert_int_equal(news_add(&news, 1 + 5 * NEWS_EVERY_MS), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_at_once),
        cmocka_unit_test(test_at_most_one_line_in_ten_seconds),
        cmocka_unit_test(test_after_silence_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
