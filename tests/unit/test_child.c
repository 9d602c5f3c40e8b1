/* SPDX-License-Identifier: MIT
 *
 * The deadlines of a child by a clock that the test moves, over a real control pipe and without
 * a process: a master that stood still kills nobody who had no time, or was not heard.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "channel.h"
#include "child.h"
#include "descriptors.h"
#include "fake_clock.h"

#define START_MS  5000u
#define DRAIN_MS  5000u
#define ORPHAN_MS 5000u
/* That the master adds to what the child was given. */
#define KILL_MARGIN_MS   2000u
#define ORPHAN_MARGIN_MS 10000u
#define PAUSE_MS         60000u

static struct {
    uv_loop_t loop;
    struct spawner spawner;
    struct log_pipes log_pipes;
    struct list siblings;
    struct child *child;
    struct channel *other; /* the child's end of its control pipe */
    unsigned kills, readies;
} here;

int __wrap_spawner_start(struct spawner *spawner, struct spawned *spawned,
                         const struct spawn_spec *spec);
void __wrap_spawner_kill(const struct spawned *spawned, int signal);

static void on_message(void *owner, const struct message *type, json_t *body, int fd) {
    (void)owner;
    (void)type;
    (void)body;
    (void)fd;
}

static void on_end(void *owner, const char *reason) {
    (void)owner;
    (void)reason;
}

int __wrap_spawner_start(struct spawner *spawner, struct spawned *spawned,
                         const struct spawn_spec *spec) {
    static const struct channel_events events = {on_message, on_end};
    (void)spawner;
    spawned->pid = 4711;
    spawned->is_running = true;
    here.other = channel_open(&here.loop, dup(spec->fds[DESCRIPTOR_CONTROL]), MESSAGE_TO_WORKER,
                              &events, NULL);
    assert_non_null(here.other);
    return 0;
}

void __wrap_spawner_kill(const struct spawned *spawned, int signal) {
    assert_ptr_equal(spawned, &here.child->spawned);
    here.kills += signal == SIGKILL;
}

static void on_ready(struct child *child) {
    assert_ptr_equal(child, here.child);
    here.readies++;
}

static void on_ended(struct child *child, int status, int signal) {
    (void)child;
    (void)status;
    (void)signal;
}

static void on_gone(void *owner) {
    (void)owner;
}

static int set_up(void **state) {
    static const struct child_events events = {
        .ready = on_ready, .ended = on_ended, .gone = on_gone};
    struct child_spec spec = {.program = "made-up",
                              .file = "made-up",
                              .title = "made-up",
                              .label = "chat/0",
                              .app = {.name = "chat.so", .build_id = ""},
                              .log_pipes = &here.log_pipes,
                              .start_ms = START_MS,
                              .orphan_ms = ORPHAN_MS,
                              .siblings = &here.siblings,
                              .events = &events};
    char why[256];
    (void)state;
    here.kills = here.readies = 0;
    list_init(&here.siblings);
    assert_int_equal(uv_loop_init(&here.loop), 0);
    log_pipes_init(&here.log_pipes, &here.loop);
    here.spawner.loop = &here.loop;
    spec.plan =
        json_pack("{s:s, s:[], s:s, s:s, s:i, s:i, s:i, s:s, s:s, s:s, s:i, s:i}", "name",
                  "chat", "services", "app", "chat.so", "runtimes", "", "slot", 0, "generation",
                  1, "process", 1, "user", "", "group", "", "log_level", "notice",
                  "drain_timeout_ms", (int)ORPHAN_MS, "spread_ms", 0);
    assert_non_null(spec.plan);
    here.child = child_start(&here.spawner, &spec, why, sizeof(why));
    assert_non_null(here.child);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    here.child->spawned.ended(&here.child->spawned, 0, SIGKILL);
    channel_close(here.other);
    log_pipes_close(&here.log_pipes);
    uv_run(&here.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&here.loop), 0);
    return 0;
}

static void jump(uint64_t ms) {
    fake_clock_pass(ms);
    uv_run(&here.loop, UV_RUN_NOWAIT);
}

/* The loop turns meanwhile. */
static void pass(uint64_t ms) {
    for (uint64_t passed = 0; passed < ms; passed += 10)
        jump(10);
}

static void say(enum message_id id) {
    assert_int_equal(channel_send(here.other, message_get(id), json_object(), -1), 0);
    uv_run(&here.loop, UV_RUN_NOWAIT);
}

static void expect_kill(uint64_t ms) {
    assert_int_equal(here.kills, 0);
    pass(ms);
    assert_int_equal(here.kills, 1);
}

static void test_who_is_late_is_killed(void **state) {
    (void)state;
    pass(START_MS - 10);
    expect_kill(100);
    assert_string_equal(here.child->killed_for, "it was not ready within 5s (start_timeout)");
}

/* What has come waits in the pipe; libuv runs timers before it reads. */
static void test_ready_in_a_pause_is_heard(void **state) {
    (void)state;
    pass(START_MS - 10);
    fake_clock_pass(PAUSE_MS);
    say(MSG_READY);
    pass(START_MS);
    assert_int_equal(here.readies, 1);
    assert_int_equal(here.kills, 0);
}

/* On a machine that gave nobody time, the child's deadline has not come either. */
static void test_a_pause_is_no_time_to_drain(void **state) {
    (void)state;
    say(MSG_READY);
    child_drain(here.child, "reload", true, DRAIN_MS, 0);
    pass(1000);
    jump(PAUSE_MS);
    pass(DRAIN_MS - 1000);
    expect_kill(KILL_MARGIN_MS + 100);
    assert_string_equal(here.child->killed_for, "it did not end within 5s (drain_timeout)");
}

static void test_a_pause_is_no_time_to_stop(void **state) {
    (void)state;
    say(MSG_READY);
    child_drain(here.child, "shutdown", false, DRAIN_MS, 0);
    pass(DRAIN_MS + KILL_MARGIN_MS - 10);
    jump(PAUSE_MS);
    assert_int_equal(here.kills, 0);
    expect_kill(2000);
}

static void test_a_pause_is_no_time_of_an_orphan(void **state) {
    (void)state;
    say(MSG_READY);
    channel_close(here.other);
    here.other = NULL;
    pass(1000);
    jump(PAUSE_MS);
    pass(ORPHAN_MS);
    expect_kill(ORPHAN_MARGIN_MS);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        test(test_who_is_late_is_killed),           test(test_ready_in_a_pause_is_heard),
        test(test_a_pause_is_no_time_to_drain),     test(test_a_pause_is_no_time_to_stop),
        test(test_a_pause_is_no_time_of_an_orphan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
