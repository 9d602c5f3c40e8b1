/* SPDX-License-Identifier: MIT
 *
 * Which folders, links and files are trusted, and with what line the others are refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "trusted.h"

#define OTHER 12345

static char top[64];
static struct trust trust;
static char why[512];

static const char *in(const char *name) {
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", top, name);
    return path;
}

static void make_folder(const char *name, mode_t mode) {
    assert_int_equal(mkdir(in(name), 0700), 0);
    assert_int_equal(chmod(in(name), mode), 0);
}

static void make_file(const char *name, uid_t owner) {
    int fd = open(in(name), O_WRONLY | O_CREAT | O_EXCL, 0644);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(lchown(in(name), owner, (gid_t)-1), 0);
}

static int try_open(const char *name) {
    why[0] = '\0';
    int fd =
        trusted_open(&trust, in(name), O_WRONLY | O_APPEND | O_CREAT, 0640, why, sizeof(why));
    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

/* Refused, by the check too; `text` is in the line. */
static void expect_refused(const char *name, int err, const char *text) {
    assert_int_equal(try_open(name), err);
    if (!strstr(why, text))
        fail_msg("\"%s\" is not in \"%s\"", text, why);
    assert_int_equal(trusted_check(&trust, in(name), why, sizeof(why)), err);
    assert_non_null(strstr(why, text));
}

static void expect_opened(const char *name) {
    assert_int_equal(trusted_check(&trust, in(name), why, sizeof(why)), 0);
    if (try_open(name) != 0)
        fail_msg("%s", why);
    assert_int_equal(trusted_check(&trust, in(name), why, sizeof(why)), 0);
}

static void test_a_folder_of_ours_is_trusted(void **state) {
    (void)state;
    struct stat file;
    make_folder("mine", 0755);
    expect_opened("mine/log");
    assert_int_equal(stat(in("mine/log"), &file), 0);
    assert_int_equal(file.st_mode & 07777, 0640);
    expect_opened("mine/./../mine//log");
    assert_int_equal(try_open("nowhere/log"), -ENOENT);
    assert_string_equal(strrchr(why, ':'), ": No such file or directory");
    assert_int_equal(try_open("mine/log/log"), -ENOTDIR);
    assert_int_equal(try_open("mine"), -EISDIR);
    assert_int_equal(try_open("mine/.."), -EISDIR);
    int fd = trusted_open(&trust, in("mine/none"), O_WRONLY, 0, why, sizeof(why));
    assert_int_equal(fd, -ENOENT);
    assert_int_equal(trusted_open(&trust, "mine/log", O_WRONLY, 0, why, sizeof(why)), -EINVAL);
}

static void test_links_are_followed_from_trusted_folders(void **state) {
    (void)state;
    make_folder("target", 0755);
    assert_int_equal(symlink("target", in("relative")), 0);
    assert_int_equal(symlink(in("target"), in("absolute")), 0);
    expect_opened("relative/log");
    expect_opened("absolute/log");
    assert_int_equal(symlink("../relative/log", in("target/link")), 0);
    expect_opened("target/link");
    assert_int_equal(symlink("loop", in("loop")), 0);
    assert_int_equal(try_open("loop/log"), -ELOOP);
    assert_int_equal(try_open("loop"), -ELOOP);
}

static void test_a_chain_of_links_has_an_end(void **state) {
    (void)state;
    char name[16], before[16] = "chain";
    make_folder("chain", 0755);
    for (int i = 1; i <= 41; i++) {
        snprintf(name, sizeof(name), "chain%d", i);
        assert_int_equal(symlink(before, in(name)), 0);
        memcpy(before, name, sizeof(name));
    }
    expect_opened("chain40/log");
    assert_int_equal(try_open("chain41/log"), -ELOOP);
}

static void test_a_folder_that_others_write_is_refused(void **state) {
    (void)state;
    make_folder("open", 0777);
    expect_refused("open/log", -EPERM, "open may be written by everybody; expected a folder");
    assert_int_equal(symlink("open", in("to_open")), 0);
    expect_refused("to_open/log", -EPERM, "may be written by everybody");
    make_folder("mine2", 0755);
    assert_int_equal(symlink("../open/log", in("mine2/log")), 0);
    expect_refused("mine2/log", -EPERM, "may be written by everybody");
}

static void test_groups(void **state) {
    struct trust as_set = trust;
    (void)state;
    make_folder("group", 0770);
    if (chown(in("group"), (uid_t)-1, OTHER) != 0)
        return; /* only root may give it away */
    expect_refused("group/log", -EPERM, "group may be written by group \"12345\"");
    assert_null(strstr(why, "trusted_groups")); /* where that key says nothing */
    trust.names_groups = true;
    expect_refused("group/log", -EPERM, "group may be written by group \"12345\"");
    assert_non_null(strstr(why, "add \"12345\" to trusted_groups"));
    trust.groups[trust.group_count++] = OTHER;
    expect_opened("group/log");
    trust = as_set;
    trust.user = geteuid() + 1; /* another than root trusts its own group */
    trust.also = geteuid();
    trust.group = OTHER;
    expect_opened("group/log");
    trust = as_set;
}

static void test_owners(void **state) {
    (void)state;
    if (geteuid() != 0)
        skip();
    make_folder("theirs", 0755);
    make_folder("theirs/in", 0755);
    assert_int_equal(chown(in("theirs"), OTHER, OTHER), 0);
    expect_refused("theirs/log", -EPERM, "belongs to user \"12345\"; expected root");
    expect_refused("theirs/in/log", -EPERM, "belongs to user \"12345\"; expected root");
    make_file("file", OTHER);
    expect_refused("file", -EPERM, "file belongs to user \"12345\"; expected root");
}

static void test_a_sticky_folder_holds_our_names_only(void **state) {
    (void)state;
    make_folder("sticky", 01777);
    expect_opened("sticky/log");
    assert_int_equal(link(in("sticky/log"), in("sticky/second")), 0);
    expect_refused("sticky/log", -EPERM, "log has a second name (hard link)");
    assert_int_equal(symlink("own", in("sticky/link")), 0);
    expect_opened("sticky/link");
    if (geteuid() != 0)
        return;
    make_file("sticky/theirs", OTHER);
    expect_refused("sticky/theirs", -EPERM, "theirs belongs to user \"12345\"");
    assert_int_equal(symlink("/etc/passwd", in("sticky/planted")), 0);
    assert_int_equal(lchown(in("sticky/planted"), OTHER, OTHER), 0);
    expect_refused("sticky/planted", -EPERM, "planted is a link of user \"12345\"");
    make_folder("sticky/folder", 0755);
    assert_int_equal(chown(in("sticky/folder"), OTHER, OTHER), 0);
    expect_refused("sticky/folder/log", -EPERM, "folder belongs to user \"12345\"");
}

static void test_what_is_no_file_is_refused_and_nothing_waits(void **state) {
    (void)state;
    make_folder("odd", 0755);
    assert_int_equal(mkfifo(in("odd/fifo"), 0600), 0);
    assert_int_equal(try_open("odd/fifo"), -ENXIO); /* nobody reads */
    assert_int_equal(mknod(in("odd/socket"), S_IFSOCK | 0600, 0), 0);
    expect_refused("odd/socket", -ENXIO, "socket is not a file");
    int fd = trusted_open(&trust, "/dev/null", O_WRONLY | O_CREAT, 0, why, sizeof(why));
    assert_true(fd >= 0);
    close(fd);
}

static void test_a_folder_is_opened_and_a_name_in_it(void **state) {
    (void)state;
    struct trusted_place place = {.where = "/here"};
    make_folder("run", 0755);
    place.folder = trusted_folder(&trust, in("run"), &place.is_shared, why, sizeof(why));
    assert_true(place.folder >= 0 && !place.is_shared);
    int fd = trusted_open_at(&trust, &place, "pid", O_RDWR | O_CREAT, 0644, why, sizeof(why));
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(access(in("run/pid"), F_OK), 0);
    assert_int_equal(symlink("pid", in("run/link")), 0);
    assert_int_equal(
        trusted_open_at(&trust, &place, "link", O_RDWR | O_CREAT, 0644, why, sizeof(why)),
        -ELOOP);
    assert_non_null(strstr(why, "/here/link is a symbolic link; expected a file"));
    close(place.folder);
    assert_int_equal(trusted_folder(&trust, in("run/pid"), &place.is_shared, why, sizeof(why)),
                     -ENOTDIR);
}

static int make_top(void **state) {
    (void)state;
    snprintf(top, sizeof(top), "/tmp/crewt-trusted-XXXXXX");
    umask(022);
    trusted_init(&trust);
    return mkdtemp(top) ? 0 : -1;
}

static int remove_top(void **state) {
    char command[128];
    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", top);
    return system(command);
}

#define NO_NAMESPACE 77

/* In a user namespace with `map`, which the parent writes meanwhile; the exit code is the
 * answer.
 */
static void enter_namespace(int ready, int go) {
    struct trust inside;
    char byte = 0;
    if (unshare(CLONE_NEWUSER) != 0)
        _exit(NO_NAMESPACE);
    if (write(ready, &byte, 1) != 1 || read(go, &byte, 1) != 1)
        _exit(NO_NAMESPACE);
    trusted_init(&inside);
    _exit(inside.also == 65534 ? 1 : inside.also == 0 ? 0 : 2);
}

static bool write_map(pid_t pid, const char *map) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)pid);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool is_written = fd >= 0 && write(fd, map, strlen(map)) == (ssize_t)strlen(map);
    if (fd >= 0)
        close(fd);
    return is_written;
}

static int ask_in_namespace(const char *map) {
    int ready[2], go[2], state = 0;
    char byte = 0;
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(go), 0);
    pid_t pid = fork();
    if (pid == 0)
        enter_namespace(ready[1], go[0]);
    close(ready[1]);
    close(go[0]);
    if (read(ready[0], &byte, 1) == 1 && write_map(pid, map))
        assert_int_equal(write(go[1], &byte, 1), 1);
    close(ready[0]);
    close(go[1]);
    assert_int_equal(waitpid(pid, &state, 0), pid);
    return WIFEXITED(state) ? WEXITSTATUS(state) : -1;
}

/* The number that stands for all users of outside may be a user's of inside: that one is nobody
 * to trust. */
static void test_nobody_is_not_the_root_of_outside(void **state) {
    (void)state;
    int alone = ask_in_namespace("0 0 1\n");
    if (alone == NO_NAMESPACE)
        skip();
    assert_int_equal(alone, 1);
    assert_int_equal(ask_in_namespace("0 0 65536\n"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_folder_of_ours_is_trusted),
        cmocka_unit_test(test_links_are_followed_from_trusted_folders),
        cmocka_unit_test(test_nobody_is_not_the_root_of_outside),
        cmocka_unit_test(test_a_chain_of_links_has_an_end),
        cmocka_unit_test(test_a_folder_that_others_write_is_refused),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_owners),
        cmocka_unit_test(test_a_sticky_folder_holds_our_names_only),
        cmocka_unit_test(test_what_is_no_file_is_refused_and_nothing_waits),
        cmocka_unit_test(test_a_folder_is_opened_and_a_name_in_it)};
    return cmocka_run_group_tests(tests, make_top, remove_top);
}
