/* SPDX-License-Identifier: MIT
 *
 * The outlet: who puts a line in never waits, whatever becomes of the descriptor; what is lost
 * is counted and told in its place.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"
#include "outlet.h"
#include "trusted.h"

#define PATIENCE_MS 20000u

static char got[4u << 20];

/* What comes out of `fd` until `until` has come, or the end. */
static const char *read_until(int fd, const char *until) {
    size_t len = 0;
    got[0] = '\0';
    while (!until || !strstr(got, until)) {
        ssize_t more = read(fd, got + len, sizeof(got) - 1 - len);
        if (more <= 0)
            break;
        len += (size_t)more;
        got[len] = '\0';
    }
    return got;
}

static int put(struct outlet *outlet, const char *text) {
    return outlet_put(outlet, text, strlen(text));
}

static void lines_come_out_in_order(void **state) {
    int ends[2];
    (void)state;
    assert_int_equal(pipe(ends), 0);
    struct outlet *outlet = outlet_open(ends[1], true);
    for (int i = 0; i < 1000; i++) {
        char line[32];
        snprintf(line, sizeof(line), "line %d\n", i);
        assert_int_equal(put(outlet, line), 0);
    }
    assert_true(outlet_flush(outlet, PATIENCE_MS));
    assert_int_equal(outlet_waiting(outlet), 0);
    outlet_close(outlet, PATIENCE_MS);
    close(ends[1]);
    const char *at = read_until(ends[0], NULL);
    for (int i = 0; i < 1000; i++) {
        int number = -1, bytes = 0;
        assert_int_equal(sscanf(at, "line %d\n%n", &number, &bytes), 1);
        assert_int_equal(number, i);
        at += bytes;
    }
    close(ends[0]);
}

/* The reader does not read: the ring fills, the newest is lost, and the place where lines are
 * missing is said before those that come behind it. */
static void a_reader_that_sleeps_costs_lines_that_are_told_in_their_place(void **state) {
    int ends[2], taken = 0, lost = 0;
    char line[1001];
    (void)state;
    assert_int_equal(pipe(ends), 0);
    struct outlet *outlet = outlet_open(ends[1], true);
    memset(line, 'x', sizeof(line));
    line[999] = '\n';
    line[1000] = '\0';
    while (lost < 10) {
        if (put(outlet, line) == 0)
            taken++;
        else
            lost++;
    }
    assert_true(taken >= 1000);
    assert_false(outlet_flush(outlet, 1));
    assert_true(outlet_waiting(outlet) > 900000);
    assert_int_equal(outlet_lost(outlet), lost);
    read_until(ends[0], "log lines lost");
    assert_non_null(strstr(got, "10 log lines lost: the log does not take them"));
    assert_int_equal(put(outlet, "behind it\n"), 0);
    read_until(ends[0], "behind it\n");
    outlet_close(outlet, PATIENCE_MS);
    close(ends[0]);
    close(ends[1]);
}

static void a_full_disk_costs_lines_that_are_counted(void **state) {
    int ends[2], fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    (void)state;
    assert_int_equal(pipe(ends), 0);
    struct outlet *outlet = outlet_open(fd, true);
    for (int i = 0; i < 3; i++)
        assert_int_equal(put(outlet, "lost\n"), 0);
    assert_true(outlet_flush(outlet, PATIENCE_MS));
    assert_int_equal(outlet_lost(outlet), 3);
    assert_int_equal(dup2(ends[1], fd), fd);
    assert_int_equal(put(outlet, "back\n"), 0);
    read_until(ends[0], "back\n");
    assert_non_null(strstr(got, "3 log lines lost: No space left on device\n"));
    assert_int_equal(outlet_lost(outlet), 3);
    outlet_close(outlet, PATIENCE_MS);
    close(ends[0]);
    close(ends[1]);
    close(fd);
}

/* What is put in while a loss cannot be told is tried anew: it may be the moment at which there
 * is room again. Many rounds, for that moment is short. */
static void what_comes_meanwhile_is_no_loss(void **state) {
    (void)state;
    for (int i = 0; i < 2000; i++) {
        int ends[2], fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
        assert_int_equal(pipe(ends), 0);
        struct outlet *outlet = outlet_open(fd, true);
        put(outlet, "lost\n");
        assert_true(outlet_flush(outlet, PATIENCE_MS));
        assert_int_equal(dup2(ends[1], fd), fd);
        put(outlet, "back\n");
        outlet_close(outlet, PATIENCE_MS);
        close(ends[1]);
        close(fd);
        assert_non_null(strstr(read_until(ends[0], NULL), "back\n"));
        close(ends[0]);
    }
}

/* Nothing more has to be put in for the loss to be told. */
static void a_loss_is_told_without_another_line(void **state) {
    int ends[2], fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    (void)state;
    assert_int_equal(pipe(ends), 0);
    struct outlet *outlet = outlet_open(fd, true);
    put(outlet, "lost\n");
    assert_true(outlet_flush(outlet, PATIENCE_MS));
    assert_int_equal(dup2(ends[1], fd), fd);
    read_until(ends[0], "lost: No space left on device\n");
    outlet_close(outlet, PATIENCE_MS);
    close(ends[0]);
    close(ends[1]);
    close(fd);
}

/* Somebody else made the description that we share non-blocking. */
static void a_description_that_does_not_wait_loses_nothing(void **state) {
    int ends[2];
    static char line[100000];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    fcntl(ends[0], F_SETFL, 0);
    struct outlet *outlet = outlet_open(ends[1], true);
    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    for (int i = 0; i < 10; i++)
        assert_int_equal(outlet_put(outlet, line, sizeof(line)), 0);
    put(outlet, "the end\n");
    read_until(ends[0], "the end\n");
    assert_int_equal(strlen(got), 10 * sizeof(line) + strlen("the end\n"));
    assert_int_equal(outlet_lost(outlet), 0);
    outlet_close(outlet, PATIENCE_MS);
    close(ends[0]);
    close(ends[1]);
}

static void an_end_with_a_reader_that_sleeps_comes(void **state) {
    int ends[2];
    static char line[200000];
    (void)state;
    assert_int_equal(pipe(ends), 0);
    struct outlet *outlet = outlet_open(ends[1], true);
    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    outlet_put(outlet, line, sizeof(line));
    assert_false(outlet_flush(outlet, 10));
    outlet_close(outlet, 10);
    read_until(ends[0], "x\n"); /* the thread that was left behind ends */
    close(ends[0]);
}

static char folder[] = "/tmp/outlet-XXXXXX";

static const char *path_of(const char *name) {
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static int switch_to(struct outlet *outlet, const char *path, char *why, size_t size) {
    int err = 1;
    struct trust trust;
    trusted_init(&trust);
    assert_int_equal(outlet_switch(outlet, &trust, path), 0);
    assert_true(outlet_await_switch(outlet, PATIENCE_MS, &err, why, size));
    return err;
}

static void a_switch_that_fails_leaves_all_as_it_is(void **state) {
    char why[512] = "";
    (void)state;
    struct outlet *outlet = outlet_open(-1, true);
    put(outlet, "one\n");
    assert_int_equal(switch_to(outlet, path_of("a"), why, sizeof(why)), 0);
    assert_int_equal(switch_to(outlet, path_of("no/b"), why, sizeof(why)), -ENOENT);
    assert_non_null(strstr(why, "No such file"));
    put(outlet, "two\n");
    assert_true(outlet_flush(outlet, PATIENCE_MS));
    assert_int_equal(switch_to(outlet, path_of("c"), why, sizeof(why)), 0);
    put(outlet, "three\n");
    outlet_close(outlet, PATIENCE_MS);
    int fd = open(path_of("a"), O_RDONLY);
    assert_string_equal(read_until(fd, NULL), "one\ntwo\n");
    close(fd);
    fd = open(path_of("c"), O_RDONLY);
    assert_string_equal(read_until(fd, NULL), "three\n");
    close(fd);
    unlink(path_of("a"));
    unlink(path_of("c"));
}

/* The loop has another one for a moment when it binds a unix socket. */
static void the_umask_of_others_is_not_that_of_a_log(void **state) {
    char why[512] = "";
    struct stat file, as_ever;
    (void)state;
    mode_t before = umask(022);
    struct outlet *outlet = outlet_open(-1, true);
    assert_int_equal(switch_to(outlet, path_of("a"), why, sizeof(why)), 0);
    umask(0177);
    assert_int_equal(switch_to(outlet, path_of("b"), why, sizeof(why)), 0);
    umask(before);
    outlet_close(outlet, PATIENCE_MS);
    assert_int_equal(stat(path_of("b"), &file), 0);
    assert_int_equal(stat(path_of("a"), &as_ever), 0);
    assert_int_equal(file.st_mode, as_ever.st_mode);
    unlink(path_of("a"));
    unlink(path_of("b"));
}

static void a_fifo_without_a_reader_is_a_log(void **state) {
    char why[512] = "";
    (void)state;
    assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
    struct outlet *outlet = outlet_open(-1, true);
    assert_int_equal(switch_to(outlet, path_of("fifo"), why, sizeof(why)), 0);
    put(outlet, "early\n");
    assert_true(outlet_flush(outlet, PATIENCE_MS));
    int fd = open(path_of("fifo"), O_RDONLY);
    read_until(fd, "early\n");
    close(fd);
    outlet_close(outlet, PATIENCE_MS);
    unlink(path_of("fifo"));
}

static void what_is_no_log_is_refused(void **state) {
    char why[512] = "";
    struct {
        int err;
        const char *path, *text;
    } rows[] = {{-EISDIR, folder, "Is a directory"},
                {-EBADF, "/dev/fd/999", "Bad file descriptor"},
                {-ENXIO, path_of("socket"), "a unix socket; expected"}};
    (void)state;
    assert_int_equal(mknod(path_of("socket"), S_IFSOCK | 0600, 0), 0);
    struct outlet *outlet = outlet_open(-1, true);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(switch_to(outlet, rows[i].path, why, sizeof(why)), rows[i].err);
        assert_non_null(strstr(why, rows[i].text));
    }
    outlet_close(outlet, PATIENCE_MS);
    unlink(path_of("socket"));
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    return rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_out_in_order),
        cmocka_unit_test(a_reader_that_sleeps_costs_lines_that_are_told_in_their_place),
        cmocka_unit_test(a_full_disk_costs_lines_that_are_counted),
        cmocka_unit_test(what_comes_meanwhile_is_no_loss),
        cmocka_unit_test(a_loss_is_told_without_another_line),
        cmocka_unit_test(a_description_that_does_not_wait_loses_nothing),
        cmocka_unit_test(an_end_with_a_reader_that_sleeps_comes),
        cmocka_unit_test(a_switch_that_fails_leaves_all_as_it_is),
        cmocka_unit_test(the_umask_of_others_is_not_that_of_a_log),
        cmocka_unit_test(a_fifo_without_a_reader_is_a_log),
        cmocka_unit_test(what_is_no_log_is_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
