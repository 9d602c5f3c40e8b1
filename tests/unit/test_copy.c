/* SPDX-License-Identifier: MIT
 *
 * The copy of an app: whole, sealed, or refused with the reason. The file is written to between
 * two reads where a test asks for that.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "copy.h"
#include "memfd.h"

static char path[] = "/tmp/crewman-copy-XXXXXX";
static int source = -1;
static int writes_left; /* so many reads are followed by a write to the file */
static char why[512];

ssize_t __real_read(int fd, void *data, size_t size);
ssize_t __wrap_read(int fd, void *data, size_t size);

ssize_t __wrap_read(int fd, void *data, size_t size) {
    if (writes_left > 0) {
        writes_left--;
        assert_int_equal(pwrite(source, "x", 1, lseek(source, 0, SEEK_END)), 1);
    }
    return __real_read(fd, data, size);
}

/* Our own program, which is as whole as an app. */
static int make_source(void **state) {
    char buffer[65536];
    ssize_t got;
    (void)state;
    source = mkstemp(path);
    int own = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    while ((got = __real_read(own, buffer, sizeof(buffer))) > 0)
        if (write(source, buffer, (size_t)got) != got)
            return -1;
    close(own);
    return source < 0 || got < 0 ? -1 : 0;
}

static int remove_source(void **state) {
    (void)state;
    close(source);
    return unlink(path);
}

static int copy_of(const char *name) {
    int fd = memfd_open("app.so", 0644);
    assert_true(fd >= 0);
    return copy_make(name, fd, why, sizeof(why));
}

static void it_is_whole_and_frozen(void **state) {
    (void)state;
    struct elf_file copy;
    struct stat file;
    int fd = copy_of(path);
    assert_true(fd >= 0);
    assert_int_equal(copy_map(fd, &copy), 0);
    assert_int_equal(fstat(source, &file), 0);
    assert_int_equal(copy.size, file.st_size);
    assert_true(elf_whole_size(&copy) <= copy.size);
    copy_unmap(&copy);
    assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    assert_int_equal(fcntl(fd, F_GET_SEALS) & MEMFD_FROZEN, MEMFD_FROZEN);
    assert_int_equal(file.st_mode & 0111, 0);
    close(fd);
}

static void a_change_while_it_is_read_is_waited_for(void **state) {
    (void)state;
    writes_left = 1;
    int fd = copy_of(path);
    assert_true(fd >= 0);
    close(fd);
}

static void changes_without_end_are_refused(void **state) {
    (void)state;
    writes_left = 1000000;
    assert_true(copy_of(path) < 0);
    writes_left = 0;
    assert_non_null(strstr(why, "changed while it was read"));
    assert_int_equal(strncmp(why, path, strlen(path)), 0);
}

static void one_that_is_too_large_is_not_begun(void **state) {
    (void)state;
    struct stat file;
    assert_int_equal(fstat(source, &file), 0);
    assert_int_equal(ftruncate(source, MEMFD_APP_MAX + 1), 0);
    assert_true(copy_of(path) < 0);
    assert_non_null(strstr(why, "larger than the 256 MiB"));
    assert_non_null(strstr(why, "\"pin\": false"));
    assert_int_equal(ftruncate(source, file.st_size), 0);
}

static void what_is_no_file_is_refused(void **state) {
    (void)state;
    assert_true(copy_of("/dev/null") < 0);
    assert_string_equal(why, "/dev/null: not a file");
    assert_true(copy_of("/tmp") < 0);
    assert_string_equal(why, "/tmp: not a file");
    assert_true(copy_of("/nowhere.so") < 0);
    assert_string_equal(why, "/nowhere.so: No such file or directory");
}

static void only_what_is_frozen_is_mapped(void **state) {
    (void)state;
    struct elf_file copy;
    int fd = memfd_open("app.so", 0644);
    assert_int_equal(write(fd, "text", 4), 4);
    assert_true(copy_map(fd, &copy) < 0);
    assert_true(copy_map(source, &copy) < 0);
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_whole_and_frozen),
        cmocka_unit_test(a_change_while_it_is_read_is_waited_for),
        cmocka_unit_test(changes_without_end_are_refused),
        cmocka_unit_test(one_that_is_too_large_is_not_begun),
        cmocka_unit_test(what_is_no_file_is_refused),
        cmocka_unit_test(only_what_is_frozen_is_mapped),
    };
    return cmocka_run_group_tests(tests, make_source, remove_source);
}
