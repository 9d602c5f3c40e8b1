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

static void test_the_rest_when_it_is_quiet(void **state) {
    struct news news = {0};
    (void)state;
    assert_int_equal(news_rest(&news, 5), 0);
    assert_int_equal(news_add(&news, 10), 1);
    assert_int_equal(news_rest(&news, 10 + NEWS_EVERY_MS), 0);
    for (uint64_t now = 11 + NEWS_EVERY_MS; now < 16 + NEWS_EVERY_MS; now++)
        news_add(&news, now);
    assert_int_equal(news_rest(&news, 14 + 2 * NEWS_EVERY_MS), 0);
    assert_int_equal(news_rest(&news, 15 + 2 * NEWS_EVERY_MS), 4);
    assert_int_equal(news_rest(&news, 16 + 9 * NEWS_EVERY_MS), 0);
}

static void test_the_rest_waits_for_what_goes_on(void **state) {
    struct news news = {0};
    uint64_t lines = 0;
    (void)state;
    for (uint64_t now = 0; now < 10 * NEWS_EVERY_MS; now += NEWS_EVERY_MS / 4) {
        assert_int_equal(news_rest(&news, now), 0);
        lines += news_add(&news, now) > 0;
    }
    assert_int_equal(lines, 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_at_once),
        cmocka_unit_test(test_at_most_one_line_in_ten_seconds),
        cmocka_unit_test(test_after_silence_at_once),
        cmocka_unit_test(test_the_rest_when_it_is_quiet),
        cmocka_unit_test(test_the_rest_waits_for_what_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
