/* SPDX-License-Identifier: MIT
 *
 * The shared page: its size cannot be changed by anybody who has it, and lines are shared.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "scoreboard.h"

static void its_size_is_sealed(void **state) {
    (void)state;
    struct stat file;
    int fd = scoreboard_create();
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(fstat(fd, &file), 0);
    assert_int_equal(file.st_size, sizeof(struct scoreboard));
    assert_int_equal(ftruncate(fd, 4096), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(fd, 2 * (off_t)sizeof(struct scoreboard)), -1);
    assert_int_equal(errno, EPERM);
    /* Nor may a worker seal it against the writing of others. */
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
    close(fd);
}

static void processes_share_it(void **state) {
    (void)state;
    int status, fd = scoreboard_create();
    assert_true(fd >= 0);
    struct scoreboard *board = scoreboard_open(fd);
    assert_non_null(board);
    pid_t child = fork();
    if (child == 0) {
        struct scoreboard *own = scoreboard_open(fd);
        if (!own)
            _exit(1);
        score_set(own->lines[SCOREBOARD_LINES - 1].accepted, UINT64_C(1) << 40);
        score_set(own->lines[0].state, SCORE_ACCEPTING);
        _exit(0);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(score_get(board->lines[SCOREBOARD_LINES - 1].accepted) == UINT64_C(1) << 40);
    assert_int_equal(score_get(board->lines[0].state), SCORE_ACCEPTING);
    assert_int_equal(score_get(board->lines[1].state), SCORE_FREE);
    scoreboard_close(board);
    close(fd);
}

static void other_descriptors_are_no_scoreboard(void **state) {
    (void)state;
    int fd = memfd_create("small", MFD_CLOEXEC), ends[2];
    assert_int_equal(ftruncate(fd, 4096), 0);
    assert_null(scoreboard_open(fd));
    close(fd);
    assert_null(scoreboard_open(fd));
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_null(scoreboard_open(ends[0]));
    close(ends[0]);
    close(ends[1]);
    scoreboard_close(NULL);
}

static void a_line_is_cleared_whole(void **state) {
    (void)state;
    struct score_line line, zero;
    memset(&line, 0xff, sizeof(line));
    memset(&zero, 0, sizeof(zero));
    score_line_clear(&line);
    size_t used = offsetof(struct score_line, bytes_out) + sizeof(line.bytes_out);
    assert_memory_equal(&line, &zero, used);
}

/* Two writers never share a cache line. */
static void lines_stand_apart(void **state) {
    (void)state;
    assert_int_equal(sizeof(struct score_line) % 64, 0);
    assert_int_equal(_Alignof(struct score_line) % 64, 0);
}

static void callbacks_have_names(void **state) {
    (void)state;
    assert_string_equal(score_callback_name(SCORE_IN_NONE), "none");
    assert_string_equal(score_callback_name(SCORE_IN_MESSAGE), "on_message");
    assert_string_equal(score_callback_name(SCORE_IN_DESTRUCTOR), "a destructor");
    assert_string_equal(score_callback_name(SCORE_IN_COUNT), "unknown");
    assert_string_equal(score_callback_name(UINT32_MAX), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_size_is_sealed),
        cmocka_unit_test(processes_share_it),
        cmocka_unit_test(other_descriptors_are_no_scoreboard),
        cmocka_unit_test(a_line_is_cleared_whole),
        cmocka_unit_test(lines_stand_apart),
        cmocka_unit_test(callbacks_have_names),
    };
    return cmocka_run_group_tests_name("scoreboard", tests, NULL, NULL);
}
