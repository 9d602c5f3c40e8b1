/* SPDX-License-Identifier: MIT
 *
 * The guard: the page always says which callback runs, also after one inside another, and
 * a callback that blocks the loop is told about.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "guard.h"
#include "log.h"
#include "worker.h"

#define LOG_ROOM 1024u

static struct worker worker;

struct worker *worker_self(void) {
    return &worker;
}

static int set_up(void **state) {
    (void)state;
    memset(&worker, 0, sizeof(worker));
    worker.line = worker.guard.line = &worker.own_line;
    return 0;
}

static uint64_t clock_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

static void block_for(uint64_t ms) {
    uint64_t until = clock_ms() + ms;
    while (clock_ms() < until)
        ;
}

static void assert_running(enum score_callback callback, unsigned depth) {
    assert_int_equal(score_get(worker.line->callback), callback);
    assert_int_equal(worker.guard.depth, depth);
}

static void nested_callbacks_give_way_to_the_outer(void **state) {
    (void)state;
    assert_running(SCORE_IN_NONE, 0);
    struct guard_entry message = guard_enter(&worker.guard, SCORE_IN_MESSAGE);
    assert_running(SCORE_IN_MESSAGE, 1);
    uint64_t since = worker.guard.since;
    assert_in_range(since, clock_ms() - 10000, clock_ms());
    block_for(15);
    struct guard_entry full = guard_enter(&worker.guard, SCORE_IN_BUFFER_FULL);
    assert_running(SCORE_IN_BUFFER_FULL, 2);
    struct guard_entry visit = guard_enter(&worker.guard, SCORE_IN_VISIT);
    assert_running(SCORE_IN_VISIT, 3);
    /* Stuck is stuck since the loop was left. */
    assert_true(worker.guard.since == since);
    guard_leave(&worker.guard, visit);
    assert_running(SCORE_IN_BUFFER_FULL, 2);
    guard_leave(&worker.guard, full);
    assert_running(SCORE_IN_MESSAGE, 1);
    guard_leave(&worker.guard, message);
    assert_running(SCORE_IN_NONE, 0);
}

static void read_log(int fd, char text[LOG_ROOM]) {
    ssize_t len = read(fd, text, LOG_ROOM - 1);
    text[len > 0 ? len : 0] = '\0';
}

static void run_for(enum score_callback callback, uint64_t ms) {
    struct guard_entry entry = guard_enter(&worker.guard, callback);
    block_for(ms);
    guard_leave(&worker.guard, entry);
}

/* What the three leave in the log. */
static void run_quick_slow_slow(int log_fd, char quick[LOG_ROOM], char slow[LOG_ROOM],
                                char again[LOG_ROOM]) {
    set_up(NULL);
    run_for(SCORE_IN_MESSAGE, 20);
    read_log(log_fd, quick);
    run_for(SCORE_IN_MESSAGE, GUARD_SLOW_MS + 50);
    read_log(log_fd, slow);
    run_for(SCORE_IN_TIMER, GUARD_SLOW_MS + 50);
    read_log(log_fd, again);
}

static void slow_callbacks_are_logged_not_too_often(void **state) {
    (void)state;
    char quick[LOG_ROOM], slow[LOG_ROOM], again[LOG_ROOM];
    int ends[2];
    assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    log_setup(ends[1], CREW_LOG_NOTICE, "test");
    uint64_t began;
    do { /* until the machine has not made it slower than it is */
        began = clock_ms();
        run_quick_slow_slow(ends[0], quick, slow, again);
    } while (clock_ms() - began > 20 + 2 * (GUARD_SLOW_MS + 50) + GUARD_SLOW_MS / 2);
    assert_string_equal(quick, "");
    assert_non_null(strstr(slow, "warning test["));
    assert_non_null(strstr(slow, "on_message blocked the loop for "));
    assert_string_equal(again, "");
    log_setup(STDERR_FILENO, CREW_LOG_NOTICE, "test");
    close(ends[0]);
    close(ends[1]);
}

static void a_row_is_looked_at_as_a_whole(void **state) {
    (void)state;
    assert_true(guard_begin_row(&worker.guard));
    assert_false(guard_begin_row(&worker.guard));
    run_for(SCORE_IN_MESSAGE, 40);
    struct guard_entry entry = guard_enter(&worker.guard, SCORE_IN_MESSAGE);
    assert_false(guard_begin_row(&worker.guard));
    guard_leave(&worker.guard, entry);
    run_for(SCORE_IN_MESSAGE, 40);
    assert_true(guard_take_worst_ms(&worker.guard) == 0);
    guard_end_row(&worker.guard);
    assert_in_range(guard_take_worst_ms(&worker.guard), 70, 10000);
    assert_true(guard_begin_row(&worker.guard));
    guard_end_row(&worker.guard);
    assert_true(guard_take_worst_ms(&worker.guard) == 0);
    run_for(SCORE_IN_MESSAGE, 15);
    assert_in_range(guard_take_worst_ms(&worker.guard), 5, 10000);
    entry = guard_enter(&worker.guard, SCORE_IN_MESSAGE);
    assert_false(guard_begin_row(&worker.guard));
    guard_leave(&worker.guard, entry);
}

static void the_worst_is_kept_until_asked_for(void **state) {
    (void)state;
    run_for(SCORE_IN_OPEN, 60);
    run_for(SCORE_IN_OPEN, 5);
    assert_in_range(guard_take_worst_ms(&worker.guard), 40, 10000);
    assert_true(guard_take_worst_ms(&worker.guard) == 0);
}

static unsigned released;

static void count_release(struct guard_held *held) {
    (void)held;
    released++;
}

/* Inside of a callback until that has returned; else for the turn, or not at all. */
static void what_is_held_is_released_once(void **state) {
    (void)state;
    struct guard *guard = &worker.guard;
    struct guard_held shorter = {.release = count_release}, longer = shorter;
    released = 0;
    guard_hold(guard, &shorter);
    assert_int_equal(released, 1);
    guard_hold_longer(guard, &longer);
    assert_int_equal(released, 1);
    struct guard_entry entry = guard_enter(guard, SCORE_IN_TIMER);
    guard_hold(guard, &shorter);
    guard_leave(guard, entry);
    assert_int_equal(released, 2);
    guard_turned(guard);
    assert_int_equal(released, 3);
    entry = guard_enter(guard, SCORE_IN_TIMER);
    guard_hold_longer(guard, &longer);
    assert_int_equal(released, 3);
    guard_leave(guard, entry);
    assert_int_equal(released, 4);
    guard_turned(guard);
    assert_int_equal(released, 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nested_callbacks_give_way_to_the_outer, set_up),
        cmocka_unit_test_setup(slow_callbacks_are_logged_not_too_often, set_up),
        cmocka_unit_test_setup(a_row_is_looked_at_as_a_whole, set_up),
        cmocka_unit_test_setup(the_worst_is_kept_until_asked_for, set_up),
        cmocka_unit_test_setup(what_is_held_is_released_once, set_up),
    };
    return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}
