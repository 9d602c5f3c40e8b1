/* SPDX-License-Identifier: MIT
 *
 * A folder that is removed, made again, or reached by a link that leads elsewhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"

static char base[64], path[80];

static void make(const char *name) {
    char text[128];
    snprintf(text, sizeof(text), "%s/%s", base, name);
    assert_int_equal(mkdir(text, 0755), 0);
}

static void lead(const char *name) {
    char text[128];
    snprintf(text, sizeof(text), "%s/link.new", base);
    assert_int_equal(symlink(name, text), 0);
    assert_int_equal(rename(text, path), 0);
}

static struct folder opened(const char *name) {
    struct folder folder = {
        .service = "chat", .key = "static.root", .path = path, .flags = O_PATH, .fd = -1};
    snprintf(path, sizeof(path), "%s/%s", base, name);
    return folder;
}

static ino_t inode_of(int fd) {
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    return status.st_ino;
}

static void test_as_long_as_nothing_changes(void **state) {
    (void)state;
    struct folder folder = opened("root");
    char why[256];
    assert_int_equal(folder_open(&folder, why, sizeof(why)), -ENOENT);
    make("root");
    assert_int_equal(folder_open(&folder, why, sizeof(why)), 0);
    int fd = folder.fd;
    for (int i = 0; i < 10; i++)
        assert_int_equal(folder_fd(&folder), fd);
    folder_close(&folder);
}

static void test_removed_and_made_again(void **state) {
    (void)state;
    struct folder folder = opened("root");
    make("root");
    char why[256];
    assert_int_equal(folder_open(&folder, why, sizeof(why)), 0);
    ino_t before = inode_of(folder.fd);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(folder_fd(&folder), -ENOENT);
    assert_true(folder.is_missing);
    make("root");
    int fd = folder_fd(&folder);
    assert_true(fd >= 0);
    assert_int_not_equal(inode_of(fd), before);
    assert_false(folder.is_missing);
    folder_close(&folder);
}

static void test_moved_away_and_back(void **state) {
    char away[128];
    (void)state;
    struct folder folder = opened("root");
    make("root");
    char why[256];
    assert_int_equal(folder_open(&folder, why, sizeof(why)), 0);
    int fd = folder.fd;
    snprintf(away, sizeof(away), "%s/away", base);
    assert_int_equal(rename(path, away), 0);
    assert_int_equal(folder_fd(&folder), -ENOENT);
    assert_int_equal(rename(away, path), 0);
    assert_int_equal(folder_fd(&folder), fd);
    assert_false(folder.is_missing);
    folder_close(&folder);
}

static void test_a_link_that_leads_elsewhere(void **state) {
    (void)state;
    struct folder folder = opened("current");
    make("one");
    make("two");
    lead("one");
    char why[256];
    assert_int_equal(folder_open(&folder, why, sizeof(why)), 0);
    int other = open(base, O_PATH | O_CLOEXEC); /* the next free descriptor */
    close(other);
    ino_t one = inode_of(folder.fd);
    for (int i = 0; i < 100; i++) {
        lead(i % 2 ? "one" : "two");
        int fd = folder_fd(&folder);
        assert_true(fd >= 0 && fd <= other); /* none is lost */
        assert_int_equal(inode_of(fd) == one, i % 2);
    }
    folder_close(&folder);
}

static void test_a_file_in_its_place(void **state) {
    (void)state;
    struct folder folder = opened("root");
    make("root");
    char why[256];
    assert_int_equal(folder_open(&folder, why, sizeof(why)), 0);
    assert_int_equal(rmdir(path), 0);
    int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    close(file);
    assert_int_equal(folder_fd(&folder), -ENOTDIR);
    assert_int_equal(folder_fd(&folder), -ENOTDIR);
    assert_int_equal(unlink(path), 0);
    make("root");
    assert_true(folder_fd(&folder) >= 0);
    folder_close(&folder);
}

static int set_up(void **state) {
    (void)state;
    snprintf(base, sizeof(base), "/tmp/crew-folder-XXXXXX");
    return mkdtemp(base) ? 0 : -1;
}

static int tear_down(void **state) {
    char command[128];
    (void)state;
    snprintf(command, sizeof(command), "rm -rf '%s'", base);
    return system(command) == 0 ? 0 : -1;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_as_long_as_nothing_changes), CASE(test_removed_and_made_again),
        CASE(test_moved_away_and_back),        CASE(test_a_link_that_leads_elsewhere),
        CASE(test_a_file_in_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
