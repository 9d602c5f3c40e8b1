/* SPDX-License-Identifier: MIT
 *
 * The logger: what a line looks like, that nobody can forge one, and that a log which cannot be
 * written costs its lines and nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"

#define STAMP "[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3} "

static char got[65536];

/* What has been written into the pipe so far. */
static const char *drain(int fd) {
    ssize_t len = read(fd, got, sizeof(got) - 1);
    got[len > 0 ? len : 0] = '\0';
    return got;
}

static void assert_matches(const char *text, const char *pattern) {
    regex_t regex;
    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    if (regexec(&regex, text, 0, NULL, 0) != 0)
        fail_msg("\"%s\" does not match %s", text, pattern);
    regfree(&regex);
}

static int open_pipe(void **state) {
    static int ends[2];
    if (pipe2(ends, O_NONBLOCK) != 0)
        return -1;
    *state = ends;
    log_setup(ends[1], CREW_LOG_NOTICE, "chat/2");
    return 0;
}

static int close_pipe(void **state) {
    const int *ends = *state;
    log_setup(STDERR_FILENO, CREW_LOG_NOTICE, "test");
    return close(ends[0]) | close(ends[1]);
}

static void a_line_says_when_how_bad_and_who(void **state) {
    const int *ends = *state;
    char pattern[128];
    log_notice("%d of %s", 3, "three");
    snprintf(pattern, sizeof(pattern), "^" STAMP "notice  chat/2\\[%d\\] 3 of three\n$",
             (int)getpid());
    assert_matches(drain(ends[0]), pattern);
}

static void lines_below_the_level_are_dropped(void **state) {
    const int *ends = *state;
    log_setup(ends[1], CREW_LOG_WARNING, "chat/2");
    log_debug("one");
    log_info("two");
    log_notice("three");
    assert_string_equal(drain(ends[0]), "");
    log_warning("four");
    log_error("five");
    assert_matches(drain(ends[0]), "warning .* four\n.* error .* five\n$");
    assert_int_equal(log_level(), CREW_LOG_WARNING);
}

static void control_bytes_are_escaped(void **state) {
    const int *ends = *state;
    log_notice("a\nb\x1b[31m\t\x7f\xc3\xa9");
    assert_matches(drain(ends[0]), "] a\\\\x0ab\\\\x1b\\[31m\\\\x09\\\\x7f\xc3\xa9\n$");
}

static void long_lines_are_cut(void **state) {
    const int *ends = *state;
    static char text[3 * 4096];
    memset(text, '\x01', sizeof(text) - 1);
    log_notice("%s", text);
    drain(ends[0]);
    size_t len = strlen(got);
    assert_in_range(len, 4000, 4096);
    assert_int_equal(got[len - 1], '\n');
    assert_ptr_equal(strchr(got, '\n'), got + len - 1);
    assert_int_equal((got + len - 1 - (strchr(got, ']') + 2)) % 4, 0); /* no escape is halved */
}

static void who_is_cut(void **state) {
    const int *ends = *state;
    char who[200];
    memset(who, 'w', sizeof(who) - 1);
    who[sizeof(who) - 1] = '\0';
    log_setup(ends[1], CREW_LOG_NOTICE, who);
    log_notice("x");
    assert_matches(drain(ends[0]), " w{63}\\[[0-9]+\\] x\n$");
}

static void a_full_disk_costs_lines_that_are_counted(void **state) {
    const int *ends = *state;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    log_setup(fd, CREW_LOG_NOTICE, "chat/2");
    for (int i = 0; i < 3; i++) {
        errno = EDOM;
        log_notice("lost %d", i);
        assert_int_equal(errno, EDOM);
    }
    assert_int_equal(dup2(ends[1], fd), fd);
    log_notice("back");
    assert_matches(drain(ends[0]),
                   "^" STAMP "warning chat/2\\[[0-9]+\\] 3 log lines lost: No space left "
                   "on device\n" STAMP "notice  chat/2\\[[0-9]+\\] back\n$");
    log_notice("again");
    assert_matches(drain(ends[0]), "^" STAMP "notice [^\n]* again\n$");
    close(fd);
}

static void a_reader_that_sleeps_does_not_block(void **state) {
    const int *ends = *state;
    int sent = 0;
    char filling[4096];
    memset(filling, 'x', sizeof(filling));
    while (write(ends[1], filling, sizeof(filling)) > 0)
        sent++;
    assert_true(sent > 0);
    log_notice("lost");
    log_notice("lost too");
    while (read(ends[0], got, sizeof(got)) > 0)
        ;
    log_notice("heard");
    assert_matches(drain(ends[0]), "2 log lines lost: Resource temporarily unavailable\n"
                                   "[^\n]* heard\n$");
}

/* A disk that fills up takes a part of a line; what comes later begins on a line of its own. */
static void a_torn_line_is_ended(void **state) {
    (void)state;
    char path[] = "/tmp/test_log.XXXXXX", filling[4090];
    struct rlimit old, small = {4096, RLIM_INFINITY};
    int fd = mkostemp(path, O_CLOEXEC | O_APPEND);
    assert_true(fd >= 0);
    unlink(path);
    memset(filling, 'x', sizeof(filling));
    filling[sizeof(filling) - 1] = '\n';
    assert_int_equal(write(fd, filling, sizeof(filling)), sizeof(filling));
    log_setup(fd, CREW_LOG_NOTICE, "chat/2");
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    log_notice("torn");
    log_notice("lost");
    assert_int_equal(lseek(fd, 0, SEEK_END), 4096);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    log_notice("whole");
    ssize_t len = pread(fd, got, sizeof(got) - 1, sizeof(filling));
    assert_true(len > 0);
    got[len] = '\0';
    assert_matches(got, "^20[0-9]{2}-[0-9]\n" STAMP "[^\n]* 2 log lines lost: [^\n]+\n" STAMP
                        "[^\n]* whole\n$");
    close(fd);
}

/* The parent that reads the pipe adds time and name. */
static void a_child_says_the_level_and_the_text(void **state) {
    const int *ends = *state;
    static char text[2 * 4096];
    log_to_parent(ends[1], CREW_LOG_INFO);
    log_debug("none");
    log_info("one");
    log_notice("two\nlines");
    log_warning("three");
    log_error("four");
    assert_string_equal(drain(ends[0]), "<6>one\n<5>two\\x0alines\n<4>three\n<3>four\n");
    memset(text, 'x', sizeof(text) - 1);
    log_error("%s", text);
    assert_in_range(strlen(drain(ends[0])), 4000, 4096); /* in one piece, as PIPE_BUF allows */
}

static int put(void *owner, const char *line, size_t len) {
    char *lines = owner;
    strncat(lines, line, len);
    return strstr(lines, "full") ? -ENOBUFS : 0;
}

static void lines_go_where_the_owner_says(void **state) {
    static char lines[4096];
    (void)state;
    log_to(put, lines, CREW_LOG_NOTICE, "master");
    log_debug("none");
    log_notice("one");
    errno = EDOM;
    log_relay(CREW_LOG_DEBUG, "chat/0", 77, "a child's\x1b");
    assert_int_equal(errno, EDOM);
    assert_matches(lines, "^" STAMP "notice  master\\[[0-9]+\\] one\n" STAMP
                          "debug   chat/0\\[77\\] a child's\\\\x1b\n$");
    log_set_level(CREW_LOG_ERROR);
    log_warning("none");
    log_error("full");
    log_error("last"); /* who takes them counts what he loses */
    assert_matches(lines, "error   master[^\n]* full\n[^\n]* last\n$");
}

static void levels_have_names(void **state) {
    (void)state;
    for (int level = CREW_LOG_DEBUG; level <= CREW_LOG_ERROR; level++)
        assert_int_equal(log_level_parse(log_level_name((enum crew_log_level)level)), level);
    assert_int_equal(log_level_parse("notice"), CREW_LOG_NOTICE);
    assert_int_equal(log_level_parse("Notice"), -1);
    assert_int_equal(log_level_parse(""), -1);
}

int main(void) {
#define WITH_PIPE(test) cmocka_unit_test_setup_teardown(test, open_pipe, close_pipe)
    const struct CMUnitTest tests[] = {
        WITH_PIPE(a_line_says_when_how_bad_and_who),
        WITH_PIPE(a_child_says_the_level_and_the_text),
        WITH_PIPE(lines_go_where_the_owner_says),
        WITH_PIPE(lines_below_the_level_are_dropped),
        WITH_PIPE(control_bytes_are_escaped),
        WITH_PIPE(long_lines_are_cut),
        WITH_PIPE(who_is_cut),
        WITH_PIPE(a_full_disk_costs_lines_that_are_counted),
        WITH_PIPE(a_reader_that_sleeps_does_not_block),
        WITH_PIPE(a_torn_line_is_ended),
        cmocka_unit_test(levels_have_names),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
