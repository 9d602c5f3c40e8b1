/* SPDX-License-Identifier: MIT
 *
 * The end of a worker by a clock that the test moves: also of one that stood still when its
 * deadline came everybody is told why, and has a moment to answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conn.h"
#include "fake_clock.h"
#include "lifecycle.h"
#include "say.h"
#include "scene.h"

#define DRAIN_MS   5000u
#define SPREAD_MS  1000u
#define PAUSE_MS   60000u
#define MOMENT_MS  500u /* to answer, when the time was over */
#define GOING_AWAY "\x88\2\x03\xe9"
#define RESTART    "\x88\2\x03\xf4"

static void set_times(struct stage *stage) {
    (void)stage;
}

static struct scene websocket = {LISTEN_WEBSOCKET, set_times};

static struct stage *open_crowded(void) {
    struct stage *stage = scene_open_crowded(&websocket);
    struct worker *worker = &stage->worker;
    list_init(&worker->services); /* what they do at a drain is not the question */
    lifecycle_init(worker);
    worker->lifecycle.stage = STAGE_SERVING;
    return stage;
}

static void close_all(struct stage *stage) {
    uv_close((uv_handle_t *)&stage->worker.lifecycle.deadline, NULL);
    stage_free(stage);
}

static size_t count(const struct stage *stage, const char *goodbye) {
    size_t found = 0;
    for (size_t i = 0; i < stage->peer_count; i++)
        found += peer_begins_with(stage->peers[i], goodbye);
    return found;
}

/* We stand still, and what came meanwhile has not been read. */
static void stand_still(struct stage *stage) {
    fake_clock_pass(PAUSE_MS);
    stage_run(stage);
}

static void answer_all(struct stage *stage) {
    for (size_t i = 0; i < stage->peer_count; i++)
        say_close(stage->peers[i], 1012);
    stage_run(stage);
}

static void expect_answered(struct stage *stage, size_t answered) {
    size_t closed = 0;
    answer_all(stage);
    for (size_t i = 0; i < stage->peer_count; i++)
        closed += stage->peers[i]->is_closed;
    assert_int_equal(closed, answered);
}

static void test_a_pause_amid_the_spread_leaves_nobody_out(void **state) {
    (void)state;
    struct stage *stage = open_crowded();
    lifecycle_drain(&stage->worker, CREW_CLOSE_RELOAD, false, DRAIN_MS, SPREAD_MS);
    stage_pass(stage, SPREAD_MS / 2);
    assert_in_range(count(stage, RESTART), 1, STAGE_PEERS_MAX - 1);
    fake_clock_pass(SPREAD_MS);
    stage_run(stage);
    assert_int_equal(count(stage, RESTART), STAGE_PEERS_MAX);
    expect_answered(stage, STAGE_PEERS_MAX);
    close_all(stage);
}

static void test_a_pause_at_the_last_deadline_leaves_a_moment(void **state) {
    (void)state;
    struct stage *stage = open_crowded();
    lifecycle_drain(&stage->worker, CREW_CLOSE_RELOAD, false, DRAIN_MS, SPREAD_MS);
    stage_pass(stage, SPREAD_MS / 2);
    stand_still(stage);
    assert_int_equal(count(stage, RESTART), STAGE_PEERS_MAX);
    assert_int_equal(stage->worker.lifecycle.stage, STAGE_CLOSING);
    expect_answered(stage, STAGE_PEERS_MAX);
    close_all(stage);
}

/* The master counts by the clock too. */
static void test_but_one_moment_only(void **state) {
    (void)state;
    struct stage *stage = open_crowded();
    lifecycle_drain(&stage->worker, CREW_CLOSE_SHUTDOWN, false, DRAIN_MS, 0);
    stand_still(stage);
    stage_pass(stage, MOMENT_MS - 20);
    assert_int_equal(stage->worker.lifecycle.stage, STAGE_CLOSING);
    stand_still(stage);
    assert_int_equal(stage->worker.lifecycle.stage, STAGE_ENDED);
    assert_int_equal(count(stage, GOING_AWAY), STAGE_PEERS_MAX);
    close_all(stage);
}

static void test_in_time_there_is_no_moment_more(void **state) {
    (void)state;
    struct stage *stage = open_crowded();
    lifecycle_drain(&stage->worker, CREW_CLOSE_SHUTDOWN, false, DRAIN_MS, 0);
    stage_pass(stage, DRAIN_MS - 20);
    assert_int_equal(stage->worker.lifecycle.stage, STAGE_CLOSING);
    stage_pass(stage, 40);
    assert_int_equal(stage->worker.lifecycle.stage, STAGE_ENDED);
    close_all(stage);
}

/* Whoever has not been told when all is over hears the word beside the end. */
static void test_nobody_ends_without_a_word(void **state) {
    (void)state;
    struct stage *stage = open_crowded();
    settle_destroy_all(&stage->worker.settle, CREW_CLOSE_SHUTDOWN);
    assert_int_equal(count(stage, GOING_AWAY), STAGE_PEERS_MAX);
    for (size_t i = 0; i < stage->peer_count; i++)
        assert_true(stage->peers[i]->is_closed);
    close_all(stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_pause_amid_the_spread_leaves_nobody_out),
        cmocka_unit_test(test_a_pause_at_the_last_deadline_leaves_a_moment),
        cmocka_unit_test(test_but_one_moment_only),
        cmocka_unit_test(test_in_time_there_is_no_moment_more),
        cmocka_unit_test(test_nobody_ends_without_a_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
