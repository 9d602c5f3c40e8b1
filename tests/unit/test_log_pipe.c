/* SPDX-License-Identifier: MIT
 *
 * What children write to their pipes: whole lines under their name, nothing lost at their end,
 * and no child that talks all the time takes the loop.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"
#include "log_pipe.h"

static struct {
    uv_loop_t loop;
    struct log_pipes pipes;
    struct log_pipe *pipe;
    int end;
    size_t len;
    char log[8u << 20];
} bench;

static int put(void *owner, const char *line, size_t len) {
    (void)owner;
    assert_true(bench.len + len < sizeof(bench.log));
    memcpy(bench.log + bench.len, line, len + 1 - 1);
    bench.len += len;
    bench.log[bench.len] = '\0';
    return 0;
}

static void open_one(void) {
    assert_int_equal(log_pipe_open(&bench.pipes, "chat/0", &bench.pipe, &bench.end), 0);
    log_pipe_set_pid(bench.pipe, 77);
}

static int set_up(void **state) {
    (void)state;
    bench.len = 0;
    bench.log[0] = '\0';
    log_to(put, NULL, CREW_LOG_ERROR, "master");
    if (uv_loop_init(&bench.loop) != 0)
        return -1;
    log_pipes_init(&bench.pipes, &bench.loop);
    open_one();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    log_pipes_close(&bench.pipes);
    uv_run(&bench.loop, UV_RUN_DEFAULT);
    log_setup(STDERR_FILENO, CREW_LOG_NOTICE, "test");
    return uv_loop_close(&bench.loop);
}

static void say(const char *text) {
    assert_int_equal(write(bench.end, text, strlen(text)), strlen(text));
}

static void end(void) {
    close(bench.end);
    log_pipe_end(bench.pipe);
}

/* The line behind its stamp. */
static void assert_line(const char *text) {
    if (!strstr(bench.log, text))
        fail_msg("\"%s\" is not in \"%s\"", text, bench.log);
}

static size_t count_lines(void) {
    size_t count = 0;
    for (const char *at = bench.log; (at = strchr(at, '\n')); at++)
        count++;
    return count;
}

static void lines_get_the_name_of_the_child(void **state) {
    (void)state;
    say("<7>one\n<6>two\n<5>three\n<4>four\n<3>five\n<0>six\nprinted\n<8>eight\n\n");
    uv_run(&bench.loop, UV_RUN_ONCE);
    assert_line(" debug   chat/0[77] one\n");
    assert_line(" info    chat/0[77] two\n");
    assert_line(" notice  chat/0[77] three\n");
    assert_line(" warning chat/0[77] four\n");
    assert_line(" error   chat/0[77] five\n");
    assert_line(" error   chat/0[77] six\n");
    assert_line(" notice  chat/0[77] printed\n");
    assert_line(" notice  chat/0[77] <8>eight\n");
    assert_int_equal(count_lines(), 9);
    end();
}

static void what_is_printed_forges_nothing(void **state) {
    (void)state;
    say("a\x1b[31m\xc2\x9b\xff\r2026-01-01 00:00:00.000 error   master[1] forged\n");
    assert_int_equal(write(bench.end, "n\0l\n", 4), 4);
    end();
    assert_line("[77] a\\x1b[31m\\xc2\\x9b\\xff\\x0d2026-01-01 00:00:00.000 error   master[1] "
                "forged\n");
    assert_line("[77] n?l\n");
    assert_int_equal(count_lines(), 2);
}

static void lines_come_in_any_pieces(void **state) {
    (void)state;
    const char text[] = "<6>first line\nsecond line\n";
    for (size_t i = 0; text[i]; i++) {
        assert_int_equal(write(bench.end, text + i, 1), 1);
        uv_run(&bench.loop, UV_RUN_ONCE);
    }
    assert_line(" info    chat/0[77] first line\n");
    assert_line(" notice  chat/0[77] second line\n");
    assert_int_equal(count_lines(), 2);
    end();
}

static void a_long_line_goes_on_in_the_next(void **state) {
    (void)state;
    for (int i = 0; i < 3000; i++)
        say("\xc3\xa9\xc3\xa9");
    say("\nshort\n");
    end();
    assert_int_equal(count_lines(), 4);
    assert_null(strstr(bench.log, "\\x")); /* no character was cut */
    assert_line("[77] … \xc3\xa9");
    assert_line("[77] short\n");
    size_t letters = 0;
    for (const char *at = bench.log; (at = strstr(at, "\xc3\xa9")); at += 2)
        letters++;
    assert_int_equal(letters, 6000);
}

static void the_end_of_a_child_takes_all_that_it_wrote(void **state) {
    (void)state;
    for (int i = 0; i < 2000; i++)
        say("a line before the end\n");
    say("unfinished");
    end(); /* without a turn of the loop */
    assert_int_equal(count_lines(), 2001);
    assert_line("[77] unfinished\n");
    assert_int_equal(bench.pipes.count, 0);
}

static void a_program_of_the_child_writes_on(void **state) {
    (void)state;
    int theirs = dup(bench.end);
    say("<5>ending\n");
    end();
    assert_int_equal(bench.pipes.count, 1);
    assert_int_equal(write(theirs, "later\n", 6), 6);
    uv_run(&bench.loop, UV_RUN_ONCE);
    assert_line("[77] ending\n");
    assert_line("[77] later\n");
    close(theirs);
    uv_run(&bench.loop, UV_RUN_ONCE);
    assert_int_equal(bench.pipes.count, 0);
}

static void of_pipes_that_are_left_the_oldest_goes(void **state) {
    int theirs[40];
    (void)state;
    end();
    for (int i = 0; i < 40; i++) {
        open_one();
        theirs[i] = dup(bench.end);
        end();
    }
    assert_int_equal(bench.pipes.count, 32);
    for (int i = 0; i < 40; i++)
        close(theirs[i]);
}

/* A second's budget is read, then the others have their turn; nothing of what fits into the
 * pipe is lost. On a machine where a turn takes a second nothing is overdrawn. */
static void a_child_that_talks_all_the_time_has_to_wait(void **state) {
    static char block[65536];
    size_t lines = 0, turns = 0, read_by_then = 0;
    (void)state;
    log_set_level(CREW_LOG_WARNING);
    fcntl(bench.end, F_SETFL, O_NONBLOCK);
    memset(block, 'x', sizeof(block));
    for (size_t i = 99; i < sizeof(block); i += 100)
        block[i] = '\n';
    while (!strstr(bench.log, "more than the log takes") && turns++ < 600) {
        ssize_t more = write(bench.end, block, sizeof(block));
        lines += more > 0 ? (size_t)more / 100 : 0;
        read_by_then = bench.len;
        uv_run(&bench.loop, UV_RUN_NOWAIT);
    }
    assert_true(turns >= 16);
    assert_true(bench.len - read_by_then < sizeof(block)); /* of one turn */
    end();
    assert_true(count_lines() >= lines);
}

/* Short lines cost the master most. */
static void empty_lines_have_a_bound_too(void **state) {
    static char block[65536];
    size_t turns = 0;
    (void)state;
    log_set_level(CREW_LOG_WARNING);
    fcntl(bench.end, F_SETFL, O_NONBLOCK);
    memset(block, '\n', sizeof(block));
    while (!strstr(bench.log, "more than the log takes") && turns++ < 600) {
        (void)!write(bench.end, block, sizeof(block));
        uv_run(&bench.loop, UV_RUN_NOWAIT);
    }
    assert_true(turns < 600);
    assert_true(count_lines() < 20000);
    end();
    assert_true(count_lines() < 50000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        CASE(lines_get_the_name_of_the_child),
        CASE(what_is_printed_forges_nothing),
        CASE(lines_come_in_any_pieces),
        CASE(a_long_line_goes_on_in_the_next),
        CASE(the_end_of_a_child_takes_all_that_it_wrote),
        CASE(a_program_of_the_child_writes_on),
        CASE(of_pipes_that_are_left_the_oldest_goes),
        CASE(a_child_that_talks_all_the_time_has_to_wait),
        CASE(empty_lines_have_a_bound_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
