/* SPDX-License-Identifier: MIT
 *
 * The headers of a shared object, read from our own program, from every part of it that an
 * unfinished copy may be, and from nonsense: never a byte behind the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <elf.h>

#include "elf_file.h"

static unsigned char *own;
static size_t own_size;

static int read_own(void **state) {
    FILE *file = fopen("/proc/self/exe", "re");
    (void)state;
    if (!file || fseek(file, 0, SEEK_END) != 0)
        return -1;
    own_size = (size_t)ftell(file);
    own = malloc(own_size);
    rewind(file);
    size_t got = own ? fread(own, 1, own_size, file) : 0;
    fclose(file);
    return got == own_size ? 0 : -1;
}

static int forget_own(void **state) {
    (void)state;
    free(own);
    return 0;
}

static size_t count_texts(const struct elf_file *file, long tag) {
    const char *text;
    size_t at = 0, count = 0;
    while ((text = elf_next_text(file, tag, &at))) {
        assert_true(memchr(text, '\0', file->size) != NULL);
        count++;
    }
    return count;
}

static void ours_is_understood(void **state) {
    (void)state;
    struct elf_file file = {own, own_size};
    char build_id[ELF_BUILD_ID_MAX + 1];
    size_t at = 0;
    assert_true(elf_is_one(&file));
    assert_true(elf_whole_size(&file) > 0 && elf_whole_size(&file) <= own_size);
    elf_build_id(&file, build_id);
    assert_int_equal(strspn(build_id, "0123456789abcdef"), strlen(build_id));
    bool has_cmocka = false;
    for (const char *text; (text = elf_next_text(&file, DT_NEEDED, &at));)
        has_cmocka = has_cmocka || strncmp(text, "libcmocka.so", 12) == 0;
    assert_true(has_cmocka);
    assert_int_equal(count_texts(&file, DT_SONAME), 0);
}

/* In memory of exactly that size, so that a sanitizer sees a read behind it. */
static void look_at(const unsigned char *bytes, size_t size) {
    unsigned char *copy = malloc(size + !size);
    char build_id[ELF_BUILD_ID_MAX + 1];
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    struct elf_file file = {copy, size};
    (void)elf_whole_size(&file);
    elf_build_id(&file, build_id);
    assert_true(strlen(build_id) <= ELF_BUILD_ID_MAX);
    (void)count_texts(&file, DT_NEEDED);
    (void)count_texts(&file, DT_RUNPATH);
    free(copy);
}

static void one_that_is_cut_is_known(void **state) {
    (void)state;
    struct elf_file whole = {own, own_size};
    size_t needs = elf_whole_size(&whole);
    for (size_t size = 0; size < needs; size += size < 4096 ? 1 : own_size / 50) {
        struct elf_file file = {own, size};
        if (size >= SELFMAG)
            assert_true(elf_whole_size(&file) > size);
        else
            assert_false(elf_is_one(&file));
        look_at(own, size);
    }
}

/* The headers and the dynamic section lie. */
static void nonsense_does_no_harm(void **state) {
    (void)state;
    uint64_t seed = 7;
    size_t head = own_size < 1024 ? own_size : 1024;
    for (int i = 0; i < 400; i++) {
        unsigned char *copy = malloc(own_size);
        assert_non_null(copy);
        memcpy(copy, own, own_size);
        for (int j = 0; j < 8; j++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            size_t at = SELFMAG + 1 + (size_t)(seed >> 33) % (head - SELFMAG - 1);
            copy[at] = (unsigned char)(seed >> 57);
        }
        look_at(copy, own_size);
        free(copy);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ours_is_understood),
        cmocka_unit_test(one_that_is_cut_is_known),
        cmocka_unit_test(nonsense_does_no_harm),
    };
    return cmocka_run_group_tests(tests, read_own, forget_own);
}
