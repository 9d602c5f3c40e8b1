/* SPDX-License-Identifier: MIT
 *
 * The app's timers, on a real loop: they keep their schedule, skip what was missed, may do
 * anything to each other inside a tick, and never keep the loop from its sockets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "crewman.h"
#include "worker.h"

#define HANGS_AFTER_S 30u /* SIGALRM ends a test that does not come back */
#define MANY          20000
#define TICKS_MAX     100

static struct worker worker;

struct worker *worker_self(void) {
    return &worker;
}

struct ticker {
    crew_timer timer;
    int count, end_after;
    uint64_t block_ms;
    uint64_t at_ms[TICKS_MAX], next_due_ms[TICKS_MAX];
};

static void on_first_turn(uv_idle_t *idle) {
    uv_close((uv_handle_t *)idle, NULL);
}

/* A new loop has watchers of its own to take up, and says that it will not wait: for
 * next_due_ms() it must have turned once. */
static int turn_once(void) {
    uv_idle_t idle;
    uv_idle_init(&worker.loop, &idle);
    uv_idle_start(&idle, on_first_turn);
    return uv_run(&worker.loop, UV_RUN_DEFAULT);
}

static int set_up(void **state) {
    (void)state;
    memset(&worker, 0, sizeof(worker));
    worker.line = worker.guard.line = &worker.own_line;
    timers_init(&worker.timers);
    alarm(HANGS_AFTER_S);
    int err = uv_loop_init(&worker.loop);
    return err ? err : turn_once();
}

static int tear_down(void **state) {
    (void)state;
    timers_done(&worker.timers);
    uv_run(&worker.loop, UV_RUN_DEFAULT);
    alarm(0);
    return uv_loop_close(&worker.loop);
}

static uint64_t clock_ms(void) {
    return uv_hrtime() / 1000000u;
}

/* Of the one timer that runs. */
static uint64_t next_due_ms(void) {
    return uv_now(&worker.loop) + (uint64_t)uv_backend_timeout(&worker.loop);
}

static void block_for(uint64_t ms) {
    uint64_t until = clock_ms() + ms;
    while (clock_ms() < until)
        ;
}

static void on_tick(crew_timer timer, void *arg) {
    struct ticker *ticker = arg;
    assert_true(timer == ticker->timer);
    assert_int_equal(score_get(worker.line->callback), SCORE_IN_TIMER);
    assert_in_range(ticker->count, 0, TICKS_MAX - 1);
    ticker->next_due_ms[ticker->count] = next_due_ms();
    ticker->at_ms[ticker->count++] = clock_ms();
    block_for(ticker->block_ms);
    if (ticker->count == ticker->end_after)
        assert_int_equal(crew_timer_del(timer), 0);
}

static void once_is_once(void **state) {
    (void)state;
    struct ticker ticker = {0};
    uint64_t start = clock_ms();
    ticker.timer = crew_timer_add_once(20, on_tick, &ticker);
    assert_true(ticker.timer > 0);
    assert_int_equal(timers_count(&worker.timers), 1);
    uv_run(&worker.loop, UV_RUN_DEFAULT);
    assert_int_equal(ticker.count, 1);
    assert_true(ticker.at_ms[0] >= start + 20);
    assert_int_equal(timers_count(&worker.timers), 0);
    assert_int_equal(crew_timer_del(ticker.timer), CREW_ENOENT);
    assert_int_equal(score_get(worker.line->callback), SCORE_IN_NONE);
}

/* A tick of 13 ms in an interval of 10 misses every other one: each next comes at a multiple
 * of the interval, not as soon as it can. */
static void missed_ticks_are_skipped(void **state) {
    (void)state;
    struct ticker ticker = {.end_after = 12, .block_ms = 13};
    uint64_t start = clock_ms();
    ticker.timer = crew_timer_add(10, on_tick, &ticker);
    uint64_t first = next_due_ms();
    uv_run(&worker.loop, UV_RUN_DEFAULT);
    assert_int_equal(ticker.count, ticker.end_after);
    for (int i = 0; i < ticker.count; i++) {
        assert_true(ticker.at_ms[i] >= start + (uint64_t)(10 + 20 * i));
        assert_true((ticker.next_due_ms[i] - first) % 10 == 0);
    }
}

/* An interval counts from the call, though the loop has not turned for a while. */
static void the_schedule_counts_from_the_call(void **state) {
    (void)state;
    struct ticker ticker = {.end_after = 3};
    block_for(50);
    uint64_t start = clock_ms();
    ticker.timer = crew_timer_add(20, on_tick, &ticker);
    uv_run(&worker.loop, UV_RUN_DEFAULT);
    for (int i = 0; i < ticker.count; i++)
        assert_true(ticker.at_ms[i] >= start + 20 * (uint64_t)(i + 1));
}

static void wrong_arguments_are_refused(void **state) {
    (void)state;
    struct ticker ticker = {0};
    uint64_t longest = UINT64_C(1) << 40;
    assert_int_equal(crew_timer_add(0, on_tick, &ticker), CREW_EINVAL);
    assert_int_equal(crew_timer_add(longest + 1, on_tick, &ticker), CREW_EINVAL);
    assert_int_equal(crew_timer_add_once(UINT64_MAX, on_tick, &ticker), CREW_EINVAL);
    assert_int_equal(crew_timer_add(10, NULL, &ticker), CREW_EINVAL);
    assert_int_equal(crew_timer_del(0), CREW_ENOENT);
    assert_int_equal(crew_timer_del(-1), CREW_ENOENT);
    assert_int_equal(crew_timer_del(INT64_MAX), CREW_ENOENT);
    assert_int_equal(timers_count(&worker.timers), 0);
    assert_true(crew_timer_add(longest, on_tick, &ticker) > 0);
    assert_true(crew_timer_add_once(longest, on_tick, &ticker) > 0);
    assert_int_equal(timers_count(&worker.timers), 2); /* and tear_down() frees them */
}

static void on_count(crew_timer timer, void *arg) {
    (void)timer;
    ++*(int *)arg;
}

static void thousands_of_them(void **state) {
    (void)state;
    static crew_timer timers[MANY];
    crew_timer last = 0;
    int ticks = 0;
    for (int i = 0; i < MANY; i++) {
        timers[i] = crew_timer_add_once((uint64_t)(i * 7919 % 50), on_count, &ticks);
        assert_true(timers[i] > last); /* so none is given out twice */
        last = timers[i];
    }
    assert_int_equal(timers_count(&worker.timers), MANY);
    for (int i = 0; i < MANY; i += 2)
        assert_int_equal(crew_timer_del(timers[i]), 0);
    assert_int_equal(timers_count(&worker.timers), MANY / 2);
    assert_int_equal(crew_timer_del(timers[0]), CREW_ENOENT);
    assert_true(crew_timer_add_once(0, on_count, &ticks) > last);
    uv_run(&worker.loop, UV_RUN_DEFAULT);
    assert_int_equal(ticks, MANY / 2 + 1);
}

static void on_tick_ending(crew_timer timer, void *arg) {
    struct ticker *other = arg;
    assert_int_equal(crew_timer_del(other->timer), 0);
    assert_int_equal(crew_timer_del(timer), CREW_ENOENT); /* once: it is gone already */
}

static void one_may_end_another_that_is_due(void **state) {
    (void)state;
    struct ticker victim = {0};
    /* The first one added is the first one due, however long the second call takes to come. */
    assert_true(crew_timer_add_once(10, on_tick_ending, &victim) > 0);
    victim.timer = crew_timer_add(10, on_tick, &victim);
    block_for(30); /* now both are due in one pass */
    uv_run(&worker.loop, UV_RUN_DEFAULT);
    assert_int_equal(victim.count, 0);
}

static bool has_turned;

static void on_turn(uv_check_t *check) {
    has_turned = true;
    uv_close((uv_handle_t *)check, NULL);
}

/* Adds itself again for as long as the loop has not come to look at its sockets. */
static void on_chained(crew_timer timer, void *arg) {
    int *count = arg;
    (void)timer;
    block_for(2);
    assert_in_range(++*count, 1, 50);
    if (!has_turned)
        assert_true(crew_timer_add_once(0, on_chained, count) > 0);
}

static void chained_timers_let_the_loop_turn(void **state) {
    (void)state;
    uv_check_t check;
    int count = 0;
    struct ticker busy = {.end_after = 5, .block_ms = 3};
    has_turned = false;
    busy.timer = crew_timer_add(1, on_tick, &busy);
    uv_check_init(&worker.loop, &check);
    uv_check_start(&check, on_turn);
    assert_true(crew_timer_add_once(0, on_chained, &count) > 0);
    uv_run(&worker.loop, UV_RUN_DEFAULT);
    assert_true(has_turned);
    assert_in_range(count, 1, 10);
}

int main(void) {
#define ON_LOOP(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ON_LOOP(once_is_once),
        ON_LOOP(missed_ticks_are_skipped),
        ON_LOOP(the_schedule_counts_from_the_call),
        ON_LOOP(wrong_arguments_are_refused),
        ON_LOOP(thousands_of_them),
        ON_LOOP(one_may_end_another_that_is_due),
        ON_LOOP(chained_timers_let_the_loop_turn),
    };
    return cmocka_run_group_tests_name("timers", tests, NULL, NULL);
}
