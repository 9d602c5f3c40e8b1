/* SPDX-License-Identifier: MIT
 *
 * A pin: what the describe child left in it is taken only when nobody can change it any more.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "memfd.h"
#include "pin.h"

static struct pin *pin;
static char why[256];

static int make(void **state) {
    (void)state;
    return pin_new("/srv/chat/chat.so", &pin);
}

static int drop(void **state) {
    (void)state;
    pin_unref(pin);
    return 0;
}

static void fill(void) {
    assert_int_equal(write(pin->fd, "code", 4), 4);
}

static void it_begins_empty_and_writable(void **state) {
    (void)state;
    struct stat file;
    assert_string_equal(pin->name, "chat.so");
    assert_int_equal(fstat(pin->fd, &file), 0);
    assert_int_equal(file.st_size, 0);
    assert_int_equal(file.st_mode & 07777, 0644);
    assert_int_equal(fcntl(pin->fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

static void after_the_seal_nothing_changes_it(void **state) {
    (void)state;
    fill();
    assert_int_equal(pin_seal(pin, why, sizeof(why)), 0);
    assert_int_equal(fcntl(pin->fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    assert_int_equal(fcntl(pin->fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(fcntl(pin->fd, F_GET_SEALS) & (MEMFD_FROZEN | F_SEAL_SEAL),
                     MEMFD_FROZEN | F_SEAL_SEAL);
    assert_int_equal(write(pin->fd, "x", 1), -1);
}

static void the_child_may_have_sealed_it_whole(void **state) {
    (void)state;
    fill();
    assert_int_equal(fcntl(pin->fd, F_ADD_SEALS, MEMFD_FROZEN | F_SEAL_SEAL), 0);
    assert_int_equal(pin_seal(pin, why, sizeof(why)), 0);
}

static void one_that_somebody_can_still_write_to_is_refused(void **state) {
    (void)state;
    fill();
    void *memory = mmap(NULL, 4, PROT_READ | PROT_WRITE, MAP_SHARED, pin->fd, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    assert_true(pin_seal(pin, why, sizeof(why)) < 0);
    assert_non_null(strstr(why, "/srv/chat/chat.so: its copy cannot be sealed"));
    munmap(memory, 4);
}

static void one_that_was_sealed_too_little_is_refused(void **state) {
    (void)state;
    fill();
    assert_int_equal(fcntl(pin->fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SEAL), 0);
    assert_true(pin_seal(pin, why, sizeof(why)) < 0);
}

static void an_empty_one_is_refused(void **state) {
    (void)state;
    assert_true(pin_seal(pin, why, sizeof(why)) < 0);
}

static void pins_are_found_by_their_paths(void **state) {
    (void)state;
    struct pins pins = {0};
    pins_add(&pins, pin_ref(pin));
    assert_ptr_equal(pins_find(&pins, "/srv/chat/chat.so"), pin);
    assert_null(pins_find(&pins, "/srv/other.so"));
    pins_done(&pins);
    assert_int_equal(pin->refs, 1);
    assert_null(pin_ref(NULL));
    pin_unref(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_begins_empty_and_writable, make, drop),
        cmocka_unit_test_setup_teardown(after_the_seal_nothing_changes_it, make, drop),
        cmocka_unit_test_setup_teardown(the_child_may_have_sealed_it_whole, make, drop),
        cmocka_unit_test_setup_teardown(one_that_somebody_can_still_write_to_is_refused, make,
                                        drop),
        cmocka_unit_test_setup_teardown(one_that_was_sealed_too_little_is_refused, make, drop),
        cmocka_unit_test_setup_teardown(an_empty_one_is_refused, make, drop),
        cmocka_unit_test_setup_teardown(pins_are_found_by_their_paths, make, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
