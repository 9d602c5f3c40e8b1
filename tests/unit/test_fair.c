/* SPDX-License-Identifier: MIT
 *
 * Fair shares: who is ahead holds back, but never for good, and never for a sibling that is
 * stuck, full or lying.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fair.h"

#define NOW 100000u

static struct siblings siblings;
static struct score_page pages[5];
static struct fair fair;

/* As the worker of that page would write it. */
static void set_page(size_t i, uint64_t connections, uint64_t state, uint64_t tick_at) {
    struct score_page *page = &pages[i];
    score_set(page->magic, SCORE_MAGIC);
    score_set(page->version, SCORE_VERSION);
    score_set(page->rows, COUNTER_COUNT);
    score_set(page->line.connections, connections);
    score_set(page->line.state, state);
    score_set(page->line.tick_at, tick_at);
    if (i >= siblings.count)
        siblings.count = i + 1;
    siblings.list[i].page = page;
}

static int setup(void **state) {
    (void)state;
    memset(pages, 0, sizeof(pages));
    siblings = (struct siblings){.count = 0};
    fair = (struct fair){0};
    return 0;
}

static bool holds(uint32_t own) {
    fair_refresh(&fair, &siblings, NOW);
    return fair_should_hold(&fair, own);
}

static void ahead_holds_back(void **state) {
    (void)state;
    set_page(0, 50, SCORE_ACCEPTING, NOW);
    assert_true(holds(100));
}

static void even_or_behind_does_not(void **state) {
    (void)state;
    set_page(0, 100, SCORE_ACCEPTING, NOW);
    assert_false(holds(100));
    assert_false(holds(20));
    assert_false(holds(102));
    assert_true(holds(110));
}

static void never_for_good(void **state) {
    (void)state;
    set_page(0, 0, SCORE_ACCEPTING, NOW);
    for (unsigned i = 0; i < FAIR_HOLDS_MAX; i++)
        assert_true(holds(100));
    assert_false(holds(100));
    fair_accepted(&fair);
    assert_true(holds(101));
}

static void not_for_a_stuck_sibling(void **state) {
    (void)state;
    set_page(0, 0, SCORE_ACCEPTING, NOW - FAIR_ALIVE_MS - 1);
    assert_false(holds(100));
}

static void not_for_one_that_does_not_accept(void **state) {
    (void)state;
    set_page(0, 0, SCORE_DRAINING, NOW);
    set_page(1, 0, SCORE_FULL, NOW);
    set_page(2, 0, SCORE_STARTING, NOW);
    set_page(3, 0, 4711, NOW);
    assert_false(holds(100));
}

static void one_that_stopped_accepting_since_counts_no_more(void **state) {
    (void)state;
    set_page(0, 0, SCORE_ACCEPTING, NOW);
    assert_true(holds(100));
    set_page(0, 0, SCORE_FULL, NOW);
    assert_false(holds(100));
}

static void numbers_from_nowhere_do_no_harm(void **state) {
    (void)state;
    set_page(0, UINT64_MAX, SCORE_ACCEPTING, UINT64_MAX);
    set_page(1, UINT64_MAX - 1, SCORE_ACCEPTING, NOW + 5000);
    assert_false(holds(UINT32_MAX - 2));
}

/* Of a newer or older worker, or of one that has run wild. */
static void a_page_that_is_none_of_ours_counts_as_nobody(void **state) {
    (void)state;
    set_page(0, 0, SCORE_ACCEPTING, NOW);
    score_set(pages[0].magic, 0);
    assert_false(holds(100));
    score_set(pages[0].magic, SCORE_MAGIC);
    score_set(pages[0].rows, 1);
    siblings.change++;
    assert_false(holds(100));
}

static void one_that_has_gone_is_looked_at_no_more(void **state) {
    (void)state;
    set_page(0, 0, SCORE_ACCEPTING, NOW);
    assert_true(holds(100));
    siblings.count = 0;
    siblings.change++;
    assert_false(holds(100));
    assert_int_equal(fair.count, 0);
}

static void alone_never_holds(void **state) {
    (void)state;
    assert_false(holds(1000000));
}

static void whoever_is_ahead_is_woken_last(void **state) {
    (void)state;
    assert_false(fair_is_ahead(&fair, 1000)); /* alone */
    set_page(0, 20, SCORE_ACCEPTING, NOW);
    set_page(1, 5, SCORE_FULL, NOW);
    fair_refresh(&fair, &siblings, NOW);
    assert_true(fair_is_ahead(&fair, 21));
    assert_false(fair_is_ahead(&fair, 20));
    set_page(0, 20, SCORE_DRAINING, NOW);
    assert_false(fair_is_ahead(&fair, 21));
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(ahead_holds_back),
        TEST(even_or_behind_does_not),
        TEST(never_for_good),
        TEST(not_for_a_stuck_sibling),
        TEST(not_for_one_that_does_not_accept),
        TEST(one_that_stopped_accepting_since_counts_no_more),
        TEST(numbers_from_nowhere_do_no_harm),
        TEST(a_page_that_is_none_of_ours_counts_as_nobody),
        TEST(one_that_has_gone_is_looked_at_no_more),
        TEST(alone_never_holds),
        TEST(whoever_is_ahead_is_woken_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
