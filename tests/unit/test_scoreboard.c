/* SPDX-License-Identifier: MIT
 *
 * A page of counters: its size cannot be changed by anybody who has it, nobody but its owner
 * can write to it, and whatever stands on it does no harm to who reads it.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "scoreboard.h"

static void its_size_is_fixed(void **state) {
    (void)state;
    struct stat file;
    int fd = scoreboard_create();
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(fstat(fd, &file), 0);
    assert_int_equal(file.st_size, SCORE_PAGE_SIZE);
    assert_int_equal(file.st_mode & 07777, 0600);
    assert_int_equal(ftruncate(fd, 1), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(fd, 2 * (off_t)SCORE_PAGE_SIZE), -1);
    assert_int_equal(errno, EPERM);
    close(fd);
}

static void assert_read_only(int fd) {
    assert_ptr_equal(mmap(NULL, SCORE_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
                     MAP_FAILED);
    assert_int_equal(write(fd, "x", 1), -1);
    void *memory = mmap(NULL, SCORE_PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    assert_int_equal(mprotect(memory, SCORE_PAGE_SIZE, PROT_READ | PROT_WRITE), -1);
    munmap(memory, SCORE_PAGE_SIZE);
}

/* Also of the same user, who may open the descriptor again in /proc. */
static void after_the_seal_only_its_owner_writes(void **state) {
    (void)state;
    char path[32];
    int fd = scoreboard_create();
    struct score_page *own = scoreboard_open(fd);
    assert_non_null(own);
    assert_int_equal(scoreboard_seal(fd), 0);
    int reader = scoreboard_reopen(fd);
    assert_true(reader >= 0);
    assert_int_equal(fcntl(reader, F_GETFL) & O_ACCMODE, O_RDONLY);
    assert_read_only(reader);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", reader);
    int writer = open(path, O_RDWR | O_CLOEXEC);
    if (writer >= 0) {
        assert_read_only(writer);
        assert_int_equal(
            fallocate(writer, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, SCORE_PAGE_SIZE),
            -1);
        close(writer);
    }
    const struct score_page *view = scoreboard_view(reader);
    assert_non_null(view);
    score_set(own->line.accepted, 7);
    assert_true(scoreboard_read(view, COUNTER_ACCEPTED) == 7);
    scoreboard_close(view);
    scoreboard_close(own);
    close(reader);
    close(fd);
}

static void one_that_was_sealed_before_is_told(void **state) {
    (void)state;
    int fd = scoreboard_create();
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL), 0);
    assert_int_equal(scoreboard_seal(fd), -EPERM);
    close(fd);
}

static void processes_share_it(void **state) {
    (void)state;
    int status, fd = scoreboard_create();
    assert_true(fd >= 0);
    const struct score_page *view = scoreboard_view(fd);
    assert_non_null(view);
    assert_true(scoreboard_read(view, COUNTER_ACCEPTED) == 0);
    pid_t child = fork();
    if (child == 0) {
        struct score_page *own = scoreboard_open(fd);
        if (!own)
            _exit(1);
        score_set(own->line.accepted, UINT64_C(1) << 40);
        score_set(own->line.state, SCORE_ACCEPTING);
        _exit(0);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(scoreboard_read(view, COUNTER_ACCEPTED) == UINT64_C(1) << 40);
    assert_true(scoreboard_read(view, COUNTER_STATE) == SCORE_ACCEPTING);
    scoreboard_close(view);
    close(fd);
}

static void other_descriptors_are_no_page(void **state) {
    (void)state;
    int ends[2];
    int small = memfd_create("small", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(small, SCORE_PAGE_SIZE - 1), 0);
    assert_int_equal(fcntl(small, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    assert_null(scoreboard_open(small));
    close(small);
    assert_null(scoreboard_open(small));
    int loose = memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(loose, SCORE_PAGE_SIZE), 0);
    assert_null(scoreboard_view(loose));
    close(loose);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_null(scoreboard_view(ends[0]));
    close(ends[0]);
    close(ends[1]);
    scoreboard_close(NULL);
}

/* Of an older child: the master knows rows that it has never heard of. */
static void a_missing_row_reads_as_0(void **state) {
    (void)state;
    struct score_page page = {.magic = SCORE_MAGIC, .version = SCORE_VERSION};
    memset(&page.line, 0x11, sizeof(page.line));
    page.rows = COUNTER_ACCEPTED;
    assert_true(scoreboard_read(&page, COUNTER_CONNECTIONS) != 0);
    assert_true(scoreboard_read(&page, COUNTER_ACCEPTED) == 0);
    assert_true(scoreboard_read(&page, COUNTER_LAG_US) == 0);
    page.rows = UINT32_MAX; /* of a newer one */
    assert_true(scoreboard_read(&page, COUNTER_LAG_US) != 0);
}

static void a_page_of_another_kind_reads_as_0(void **state) {
    (void)state;
    struct score_page page;
    memset(&page, 0x5a, sizeof(page));
    for (unsigned id = 0; id < COUNTER_COUNT; id++)
        assert_true(scoreboard_read(&page, (enum counter_id)id) == 0);
    page.magic = SCORE_MAGIC;
    assert_true(scoreboard_read(&page, COUNTER_ACCEPTED) == 0);
    page.version = SCORE_VERSION;
    assert_true(scoreboard_read(&page, COUNTER_ACCEPTED) != 0);
}

/* The rows of an old page must keep their places: here are those of version 1. */
static void rows_stay_where_they_are(void **state) {
    (void)state;
    static const char *const names[] = {
        "pid",          "state",         "callback",    "tick_at",      "turns",
        "connections",  "accepted",      "messages_in", "messages_out", "bytes_in",
        "bytes_out",    "send_failures", "reaped",      "refused",      "protocol_errors",
        "limit_errors", "timeouts",      "timers",      "lag_us"};
    assert_int_equal(SCORE_VERSION, 1);
    assert_int_equal(offsetof(struct score_page, line), 64);
    assert_int_equal(offsetof(struct score_page, crash), 3072);
    assert_true(COUNTER_COUNT >= sizeof(names) / sizeof(names[0]));
    for (unsigned id = 0; id < sizeof(names) / sizeof(names[0]); id++)
        assert_string_equal(counter_get((enum counter_id)id)->name, names[id]);
}

static void every_counter_is_explained(void **state) {
    (void)state;
    for (unsigned id = 0; id < COUNTER_COUNT; id++) {
        const struct counter *counter = counter_get((enum counter_id)id);
        assert_int_equal(counter->help[strlen(counter->help) - 1], '.');
    }
    assert_int_equal(counter_get(COUNTER_ACCEPTED)->kind, COUNTER_KIND_TOTAL);
    assert_int_equal(counter_get(COUNTER_CONNECTIONS)->kind, COUNTER_KIND_GAUGE);
}

static void callbacks_have_names(void **state) {
    (void)state;
    assert_string_equal(score_callback_name(SCORE_IN_NONE), "none");
    assert_string_equal(score_callback_name(SCORE_IN_MESSAGE), "on_message");
    assert_string_equal(score_callback_name(SCORE_IN_DESTRUCTOR), "a destructor");
    assert_string_equal(score_callback_name(SCORE_IN_COUNT), "unknown");
    assert_string_equal(score_callback_name(UINT64_MAX), "unknown");
    assert_string_equal(score_callback_name(UINT64_C(1) << 32), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_size_is_fixed),
        cmocka_unit_test(after_the_seal_only_its_owner_writes),
        cmocka_unit_test(one_that_was_sealed_before_is_told),
        cmocka_unit_test(processes_share_it),
        cmocka_unit_test(other_descriptors_are_no_page),
        cmocka_unit_test(a_missing_row_reads_as_0),
        cmocka_unit_test(a_page_of_another_kind_reads_as_0),
        cmocka_unit_test(rows_stay_where_they_are),
        cmocka_unit_test(every_counter_is_explained),
        cmocka_unit_test(callbacks_have_names),
    };
    return cmocka_run_group_tests_name("scoreboard", tests, NULL, NULL);
}
