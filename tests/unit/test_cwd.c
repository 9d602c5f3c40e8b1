/* SPDX-License-Identifier: MIT
 *
 * The name of the current folder: $PWD where it is one, and never where it lies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cwd.h"

static char top[] = "/tmp/test_cwd.XXXXXX";
static char real[64], other[64], by_link[64];

static int setup(void **state) {
    (void)state;
    if (!mkdtemp(top))
        return -1;
    snprintf(real, sizeof(real), "%s/r1", top);
    snprintf(other, sizeof(other), "%s/r2", top);
    snprintf(by_link, sizeof(by_link), "%s/current", top);
    return mkdir(real, 0700) || mkdir(other, 0700) || symlink("r1", by_link) || chdir(real);
}

static int teardown(void **state) {
    (void)state;
    return chdir("/") || unlink(by_link) || rmdir(real) || rmdir(other) || rmdir(top);
}

static void expect(const char *pwd, const char *expected) {
    if (pwd)
        setenv("PWD", pwd, 1);
    else
        unsetenv("PWD");
    char *name = cwd_name();
    assert_string_equal(name, expected);
    free(name);
}

static void test_the_name_that_the_shell_gave(void **state) {
    (void)state;
    expect(by_link, by_link);
    expect(real, real);
}

static void test_a_name_that_lies_or_is_none(void **state) {
    char text[128];
    (void)state;
    expect(NULL, real);
    expect("", real);
    expect(".", real);
    expect("r1", real);
    expect(other, real);
    expect("/no/such/folder", real);
    snprintf(text, sizeof(text), "%s/.", by_link);
    expect(text, real);
    snprintf(text, sizeof(text), "%s/r2/../r1", top);
    expect(text, real);
    snprintf(text, sizeof(text), "%s/./current", top);
    expect(text, real);
}

static void test_a_link_that_was_flipped_names_another_folder(void **state) {
    (void)state;
    assert_int_equal(unlink(by_link), 0);
    assert_int_equal(symlink("r2", by_link), 0);
    expect(by_link, real);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_name_that_the_shell_gave),
        cmocka_unit_test(test_a_name_that_lies_or_is_none),
        cmocka_unit_test(test_a_link_that_was_flipped_names_another_folder),
    };
    return cmocka_run_group_tests_name("cwd", tests, setup, teardown);
}
