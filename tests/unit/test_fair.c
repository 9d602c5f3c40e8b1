/* SPDX-License-Identifier: MIT
 *
 * Fair shares: who is ahead holds back, but never for good, and never for a sibling that is
 * stuck, full or lying.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fair.h"

#define NOW 100000u

static struct scoreboard *board;
static struct fair fair;

static void set_line(size_t i, uint32_t connections, enum scoreboard_state state,
                     uint64_t tick_at) {
    score_set(board->lines[i].pid, (uint32_t)(1000 + i));
    score_set(board->lines[i].connections, connections);
    score_set(board->lines[i].state, (uint32_t)state);
    score_set(board->lines[i].tick_at, tick_at);
}

static int setup(void **state) {
    (void)state;
    board = calloc(1, sizeof(*board) + 64);
    fair = (struct fair){0};
    set_line(0, 100, SCORE_ACCEPTING, NOW);
    return board ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    free(board);
    return 0;
}

static bool holds(uint32_t own) {
    fair_refresh(&fair, board, &board->lines[0], NOW);
    return fair_should_hold(&fair, own);
}

static void ahead_holds_back(void **state) {
    (void)state;
    set_line(1, 50, SCORE_ACCEPTING, NOW);
    assert_true(holds(100));
}

static void even_or_behind_does_not(void **state) {
    (void)state;
    set_line(1, 100, SCORE_ACCEPTING, NOW);
    assert_false(holds(100));
    assert_false(holds(20));
    assert_false(holds(102));
    assert_true(holds(110));
}

static void never_for_good(void **state) {
    (void)state;
    set_line(1, 0, SCORE_ACCEPTING, NOW);
    for (unsigned i = 0; i < FAIR_HOLDS_MAX; i++)
        assert_true(holds(100));
    assert_false(holds(100));
    fair_accepted(&fair);
    assert_true(holds(101));
}

static void not_for_a_stuck_sibling(void **state) {
    (void)state;
    set_line(1, 0, SCORE_ACCEPTING, NOW - FAIR_ALIVE_MS - 1);
    assert_false(holds(100));
}

static void not_for_one_that_does_not_accept(void **state) {
    (void)state;
    set_line(1, 0, SCORE_DRAINING, NOW);
    set_line(2, 0, SCORE_FULL, NOW);
    set_line(3, 0, SCORE_STARTING, NOW);
    set_line(4, 0, 4711, NOW);
    assert_false(holds(100));
}

static void one_that_stopped_accepting_since_counts_no_more(void **state) {
    (void)state;
    set_line(1, 0, SCORE_ACCEPTING, NOW);
    assert_true(holds(100));
    set_line(1, 0, SCORE_FULL, NOW);
    assert_false(holds(100));
}

static void numbers_from_nowhere_do_no_harm(void **state) {
    (void)state;
    set_line(1, UINT32_MAX, SCORE_ACCEPTING, UINT64_MAX);
    set_line(2, UINT32_MAX - 1, SCORE_ACCEPTING, NOW + 5000);
    assert_false(holds(UINT32_MAX - 2));
}

static void alone_never_holds(void **state) {
    (void)state;
    assert_false(holds(1000000));
    fair_refresh(&fair, NULL, NULL, NOW + 1000);
    assert_false(fair_should_hold(&fair, 1000000));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(ahead_holds_back),
        TEST(even_or_behind_does_not),
        TEST(never_for_good),
        TEST(not_for_a_stuck_sibling),
        TEST(not_for_one_that_does_not_accept),
        TEST(one_that_stopped_accepting_since_counts_no_more),
        TEST(numbers_from_nowhere_do_no_harm),
        TEST(alone_never_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
