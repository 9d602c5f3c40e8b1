/* SPDX-License-Identifier: MIT
 *
 * The pid file: of two starts one wins, a stale file is in nobody's way, and the lock, not the
 * text in the file, says who runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "pidfile.h"

static char folder[64], path[96], why[256];
static struct trusted_place place;
static struct trust trust;

static int setup(void **state) {
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/test_pidfile.XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/" PIDFILE_NAME, folder);
    trusted_init(&trust);
    place.folder = trusted_folder(&trust, folder, &place.is_shared, why, sizeof(why));
    place.where = folder;
    return place.folder >= 0 ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    close(place.folder);
    unlink(path);
    return rmdir(folder);
}

static void write_text(const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void assert_text(const char *expected) {
    char text[64] = "";
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
    fclose(file);
    assert_string_equal(text, expected);
}

static int take(pid_t *out_other) {
    return pidfile_take(&trust, &place, out_other, why, sizeof(why));
}

/* A child that holds the lock until it is killed. */
static pid_t start_holder(void) {
    int ready[2];
    char byte = 0;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        pid_t other;
        byte = take(&other) >= 0 ? 'y' : 'n';
        if (write(ready[1], &byte, 1) == 1)
            pause();
        _exit(0);
    }
    assert_true(child > 0);
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    assert_int_equal(byte, 'y');
    return child;
}

static void end(pid_t child) {
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void it_names_who_runs(void **state) {
    (void)state;
    char expected[32];
    pid_t other = -1;
    int fd = take(&other);
    assert_true(fd >= 0);
    assert_int_equal(other, 0);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    snprintf(expected, sizeof(expected), "%d\n", (int)getpid());
    assert_text(expected);
    pidfile_release(&place, fd);
    assert_int_equal(access(path, F_OK), -1);
}

static void the_second_is_refused(void **state) {
    (void)state;
    pid_t other = -1, holder = start_holder();
    int before = open("/dev/null", O_RDONLY);
    assert_int_equal(take(&other), -EWOULDBLOCK);
    assert_int_equal(other, holder);
    int after = open("/dev/null", O_RDONLY);
    assert_int_equal(after, before + 1); /* refusals keep no descriptor */
    close(before);
    close(after);
    end(holder);
}

static void one_that_was_killed_is_in_nobodys_way(void **state) {
    (void)state;
    pid_t other = -1, holder = start_holder();
    end(holder);
    assert_int_equal(access(path, F_OK), 0);
    int fd = take(&other);
    assert_true(fd >= 0);
    assert_int_equal(other, holder); /* so that its orphans can be waited for */
    pidfile_release(&place, fd);
}

static void what_the_file_says_is_not_believed(void **state) {
    (void)state;
    static const char *const texts[] = {"", "1\n", "no number\n", "-7\n",
                                        "99999999999999999999999999999999999999\n"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        pid_t other = -1;
        char expected[32];
        write_text(texts[i]);
        int fd = take(&other);
        assert_true(fd >= 0);
        snprintf(expected, sizeof(expected), "%d\n", (int)getpid());
        assert_text(expected);
        pidfile_release(&place, fd);
    }
}

static void a_link_is_not_followed(void **state) {
    (void)state;
    char target[128];
    pid_t other = 4711;
    snprintf(target, sizeof(target), "%s/target", folder);
    assert_int_equal(symlink(target, path), 0);
    assert_int_equal(take(&other), -ELOOP);
    assert_int_equal(other, 4711);
    assert_int_equal(access(target, F_OK), -1);
}

static void that_of_another_is_left(void **state) {
    (void)state;
    pid_t other = -1;
    int fd = take(&other);
    assert_true(fd >= 0 && pidfile_is_there(&place, fd));
    assert_int_equal(unlink(path), 0);
    assert_false(pidfile_is_there(&place, fd));
    write_text("7\n");
    assert_false(pidfile_is_there(&place, fd));
    pidfile_release(&place, fd);
    assert_text("7\n");
}

int main(void) {
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(it_names_who_runs),
        IN_FOLDER(the_second_is_refused),
        IN_FOLDER(one_that_was_killed_is_in_nobodys_way),
        IN_FOLDER(what_the_file_says_is_not_believed),
        IN_FOLDER(a_link_is_not_followed),
        IN_FOLDER(that_of_another_is_left),
    };
    return cmocka_run_group_tests_name("pidfile", tests, NULL, NULL);
}
