/* SPDX-License-Identifier: MIT
 *
 * The pages of siblings: they come, go and come again in any order, without a descriptor or a
 * mapping left behind, and never more than there is room for.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "siblings.h"

static struct siblings siblings;

static int setup(void **state) {
    (void)state;
    siblings = (struct siblings){.count = 0};
    return 0;
}

static size_t count_descriptors(void) {
    size_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static void they_come_and_go(void **state) {
    (void)state;
    size_t before = count_descriptors();
    siblings_add(&siblings, 7, scoreboard_create());
    siblings_add(&siblings, 8, scoreboard_create());
    siblings_add(&siblings, 9, scoreboard_create());
    assert_int_equal(siblings.count, 3);
    unsigned change = siblings.change;
    siblings_remove(&siblings, 7);
    siblings_remove(&siblings, 7);
    siblings_remove(&siblings, 1000);
    assert_int_equal(siblings.count, 2);
    assert_int_equal(siblings.change, change + 1);
    assert_int_equal(siblings.list[0].process, 9);
    assert_int_equal(siblings.list[1].process, 8);
    siblings_done(&siblings);
    assert_int_equal(siblings.count, 0);
    assert_int_equal(count_descriptors(), before);
}

static void one_that_is_told_twice_is_there_once(void **state) {
    (void)state;
    siblings_add(&siblings, 7, scoreboard_create());
    siblings_add(&siblings, 7, scoreboard_create());
    assert_int_equal(siblings.count, 1);
    siblings_done(&siblings);
}

static void what_is_no_page_is_closed(void **state) {
    int ends[2];
    (void)state;
    size_t before = count_descriptors();
    assert_int_equal(pipe(ends), 0);
    siblings_add(&siblings, 7, ends[0]);
    siblings_add(&siblings, 8, ends[1]);
    siblings_add(&siblings, 9, -1);
    assert_int_equal(siblings.count, 0);
    assert_int_equal(count_descriptors(), before);
}

static void there_is_an_end(void **state) {
    (void)state;
    size_t before = count_descriptors();
    for (uint32_t i = 0; i < SIBLINGS_MAX + 10; i++)
        siblings_add(&siblings, i + 1, scoreboard_create());
    assert_int_equal(siblings.count, SIBLINGS_MAX);
    siblings_done(&siblings);
    assert_int_equal(count_descriptors(), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(they_come_and_go, setup),
        cmocka_unit_test_setup(one_that_is_told_twice_is_there_once, setup),
        cmocka_unit_test_setup(what_is_no_page_is_closed, setup),
        cmocka_unit_test_setup(there_is_an_end, setup),
    };
    return cmocka_run_group_tests_name("siblings", tests, NULL, NULL);
}
