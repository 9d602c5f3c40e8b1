/* SPDX-License-Identifier: MIT
 *
 * Starting processes and waiting for them: their descriptors, their session, their ends, and
 * those that others have started.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "spawner.h"

#define FDS_MAX 64

static struct {
    uv_loop_t loop;
    struct spawner spawner;
    struct spawned spawned;
    int fds[FDS_MAX];
    unsigned count;
    unsigned ends;
    int status, signal;
} here;

static void on_ended(struct spawned *spawned, int status, int signal) {
    assert_ptr_equal(spawned, &here.spawned);
    here.ends++;
    here.status = status;
    here.signal = signal;
}

static int set_up(void **state) {
    (void)state;
    memset(&here, 0, sizeof(here));
    here.spawned.ended = on_ended;
    here.count = 3;
    for (int i = 0; i < FDS_MAX; i++)
        here.fds[i] = -1;
    assert_int_equal(uv_loop_init(&here.loop), 0);
    assert_int_equal(spawner_open(&here.spawner, &here.loop), 0);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    spawner_close(&here.spawner);
    uv_run(&here.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&here.loop), 0);
    return 0;
}

static int start(const char *program, const char *script) {
    char *arguments[] = {"bash", "-c", (char *)(uintptr_t)script, NULL};
    struct spawn_spec spec = {
        .program = program, .arguments = arguments, .fds = here.fds, .count = here.count};
    return spawner_start(&here.spawner, &here.spawned, &spec);
}

static void on_never(uv_timer_t *timer) {
    (void)timer;
    fail_msg("%s", "the end was not told");
}

/* Its handles keep no loop alive: ours is there to wait. */
static void run_until_it_ends(void) {
    uv_timer_t keeper;
    uv_timer_init(&here.loop, &keeper);
    uv_timer_start(&keeper, on_never, 60000, 0);
    while (here.ends == 0)
        uv_run(&here.loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&keeper, NULL);
    uv_run(&here.loop, UV_RUN_NOWAIT);
}

static void exit_codes_are_told(void **state) {
    (void)state;
    assert_int_equal(start("bash", "exit 3"), 0);
    assert_true(here.spawned.is_running);
    run_until_it_ends();
    assert_int_equal(here.status, 3);
    assert_int_equal(here.signal, 0);
    assert_false(here.spawned.is_running);
}

static void signals_are_told(void **state) {
    (void)state;
    assert_int_equal(start("bash", "kill -STOP $$"), 0);
    spawner_kill(&here.spawned, SIGKILL);
    run_until_it_ends();
    assert_int_equal(here.signal, SIGKILL);
    spawner_kill(&here.spawned, SIGKILL); /* nobody is hit */
}

static void what_is_not_there_is_told_at_once(void **state) {
    (void)state;
    assert_int_equal(start("/no/such/program", ""), -ENOENT);
    assert_false(here.spawned.is_running);
    uv_run(&here.loop, UV_RUN_NOWAIT);
    assert_int_equal(here.ends, 0);
}

/* As 9 and 8, which are each other's numbers here. */
static void descriptors_may_change_places(void **state) {
    (void)state;
    int first[2], second[2];
    char text[8] = {0};
    assert_int_equal(pipe2(first, O_CLOEXEC), 0);
    assert_int_equal(pipe2(second, O_CLOEXEC), 0);
    int low = fcntl(first[1], F_DUPFD_CLOEXEC, 8), high = fcntl(second[1], F_DUPFD_CLOEXEC, 8);
    assert_in_range(high, low + 1, FDS_MAX - 1);
    here.fds[low] = high;
    here.fds[high] = low;
    here.count = (unsigned)high + 1;
    char script[64];
    snprintf(script, sizeof(script), "echo low >&%d; echo high >&%d", low, high);
    assert_int_equal(start("bash", script), 0);
    run_until_it_ends();
    assert_int_equal(here.status, 0);
    assert_int_equal(read(second[0], text, sizeof(text)), 4);
    assert_string_equal(text, "low\n");
    assert_int_equal(read(first[0], text, sizeof(text)), 5);
    assert_memory_equal(text, "high\n", 5);
    const int opened[] = {first[0], first[1], second[0], second[1], low, high};
    for (size_t i = 0; i < sizeof(opened) / sizeof(opened[0]); i++)
        close(opened[i]);
}

static void what_is_not_listed_is_not_there(void **state) {
    (void)state;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    char script[96];
    snprintf(script, sizeof(script), "[ -e /proc/$$/fd/2 ] && [ ! -e /proc/$$/fd/%d ]", fd);
    assert_int_equal(start("bash", script), 0);
    run_until_it_ends();
    assert_int_equal(here.status, 0);
    close(fd);
}

static void it_leads_a_session(void **state) {
    (void)state;
    assert_int_equal(start("bash", "read -ra stat < /proc/$$/stat; "
                                   "[ ${stat[5]} = $$ ] && [ ${stat[6]} = 0 ]"),
                     0);
    run_until_it_ends();
    assert_int_equal(here.status, 0);
}

static void its_signals_are_held_back(void **state) {
    (void)state;
    assert_int_equal(start("bash", "kill -USR1 $$; kill -TERM $$; kill -HUP $$; exit 4"), 0);
    run_until_it_ends();
    assert_int_equal(here.status, 4);
}

static void strangers_are_waited_for(void **state) {
    (void)state;
    pid_t stranger = fork();
    if (stranger == 0)
        _exit(0);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)stranger, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(start("bash", "exit 0"), 0);
    run_until_it_ends();
    assert_int_equal(waitpid(stranger, NULL, 0), -1);
    assert_int_equal(errno, ECHILD);
}

static void the_end_of_one_that_is_forgotten_is_not_told(void **state) {
    (void)state;
    struct spawned forgotten = {.ended = on_ended};
    char *arguments[] = {"bash", "-c", "exit 1", NULL};
    struct spawn_spec spec = {
        .program = "bash", .arguments = arguments, .fds = here.fds, .count = 3};
    assert_int_equal(spawner_start(&here.spawner, &forgotten, &spec), 0);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)forgotten.pid, &info, WEXITED | WNOWAIT), 0);
    spawner_forget(&forgotten);
    assert_int_equal(start("bash", "exit 0"), 0);
    run_until_it_ends();
    assert_int_equal(here.ends, 1);
    assert_int_equal(waitpid(forgotten.pid, NULL, 0), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(exit_codes_are_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(signals_are_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_there_is_told_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(descriptors_may_change_places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_listed_is_not_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_leads_a_session, set_up, tear_down),
        cmocka_unit_test_setup_teardown(its_signals_are_held_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(strangers_are_waited_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_end_of_one_that_is_forgotten_is_not_told, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests_name("spawner", tests, NULL, NULL);
}
