/* SPDX-License-Identifier: MIT
 *
 * What a process that dies of a fault has noted on its page: each fault is that of a child.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <jansson.h>

#include "crash.h"

static struct score_page *page;

static int begin(void **state) {
    (void)state;
    page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED;
}

static int end(void **state) {
    (void)state;
    return munmap(page, sizeof(*page));
}

/* Without a core, and without cmocka's own handlers. Answers the signal that it died of; 0:
 * nothing is noted in such a build. */
static int die(void (*fault)(void)) {
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit none = {0};
        struct sigaction now;
        (void)setrlimit(RLIMIT_CORE, &none);
        signal(SIGSEGV, SIG_DFL);
        crash_watch(page);
        if (sigaction(SIGSEGV, NULL, &now) != 0 || now.sa_handler == SIG_DFL)
            _exit(0);
        fault();
        _exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) != 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static uint64_t module_of(size_t frame) {
    return page->crash.frames[frame] >> SCORE_OFFSET_BITS;
}

static void write_nowhere(void) {
    volatile char *volatile nowhere = NULL;
    *nowhere = 1;
}

/* In code that is neither ours, nor the app's, nor libc's. */
static void give_a_library_nonsense(void) {
    json_t *volatile nonsense = (json_t *)(uintptr_t)8;
    _exit(json_object_get(nonsense, "key") != NULL);
}

static void call_nowhere(void) {
    void (*volatile nowhere)(void) = NULL;
    nowhere();
}

static void the_place_is_noted(void **state) {
    (void)state;
    if (die(write_nowhere) == 0)
        skip();
    assert_int_equal(page->crash.signal, SIGSEGV);
    assert_true(page->crash.count >= 1);
    assert_int_equal(module_of(0), SCORE_MODULE_WORKER);
}

static void who_has_called_nowhere_is_noted(void **state) {
    (void)state;
    if (die(call_nowhere) == 0)
        skip();
    assert_int_equal(page->crash.signal, SIGSEGV);
    assert_int_equal(page->crash.count, 2);
    assert_int_equal(page->crash.frames[0], 0);
    assert_int_equal(module_of(1), SCORE_MODULE_WORKER);
}

static void who_has_called_a_library_is_noted(void **state) {
    (void)state;
    if (die(give_a_library_nonsense) == 0)
        skip();
    assert_int_equal(page->crash.signal, SIGSEGV);
    assert_true(page->crash.count >= 2);
    assert_int_equal(module_of(0), SCORE_MODULE_OTHER);
    assert_int_equal(module_of(1), SCORE_MODULE_WORKER);
}

/* The unwinder may die of it. */
static void call_no_code(void) {
    void *pages = mmap(NULL, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void (*volatile no_code)(void) = (void (*)(void))(uintptr_t)pages;
    no_code();
}

static void a_place_without_code_is_noted(void **state) {
    (void)state;
    int number = die(call_no_code);
    if (number == 0)
        skip();
    assert_int_equal(number, SIGSEGV);
    assert_int_equal(page->crash.signal, SIGSEGV);
    assert_true(page->crash.count >= 1);
    assert_int_equal(module_of(0), SCORE_MODULE_OTHER);
}

#ifdef __x86_64__
static void call_nowhere_without_a_stack(void) {
    __asm__ volatile("xor %%esp, %%esp\n\tjmp *%%rsp" ::: "memory");
}

/* Whoever has called is not to be found: the place is, all the same. */
static void without_a_stack_the_place_is_noted(void **state) {
    (void)state;
    if (die(call_nowhere_without_a_stack) == 0)
        skip();
    assert_int_equal(page->crash.signal, SIGSEGV);
    assert_int_equal(page->crash.count, 1);
    assert_int_equal(page->crash.frames[0], 0);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_place_is_noted, begin, end),
        cmocka_unit_test_setup_teardown(who_has_called_nowhere_is_noted, begin, end),
        cmocka_unit_test_setup_teardown(who_has_called_a_library_is_noted, begin, end),
        cmocka_unit_test_setup_teardown(a_place_without_code_is_noted, begin, end),
#ifdef __x86_64__
        cmocka_unit_test_setup_teardown(without_a_stack_the_place_is_noted, begin, end),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
