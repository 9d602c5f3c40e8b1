/* SPDX-License-Identifier: MIT
 *
 * What the headers of a shared object say, read from its bytes: is it all there, its build-id,
 * the names in its dynamic section. Pure; every offset is checked, for the file may be cut or
 * nonsense. Called by copy.c and origin.c.
 */
#ifndef CREWMAN_ELF_FILE_H
#define CREWMAN_ELF_FILE_H

#include <stdbool.h>
#include <stddef.h>

struct elf_file {
    const unsigned char *bytes; /* borrowed */
    size_t size;
};

#define ELF_BUILD_ID_MAX 40

/* Whether it begins as an ELF file does. */
bool elf_is_one(const struct elf_file *file);

/* The bytes that it must have by its headers; more than it has: it is cut. 0 for one that is
 * not of this machine's kind, about which the loader has the better words. */
size_t elf_whole_size(const struct elf_file *file);

/* As hexadecimal digits; "" when it has none. */
void elf_build_id(const struct elf_file *file, char out_text[ELF_BUILD_ID_MAX + 1]);

/* The next text with that tag (DT_NEEDED, DT_RUNPATH …) in the dynamic section; *at begins at
 * 0. Borrowed; NULL behind the last. */
const char *elf_next_text(const struct elf_file *file, long tag, size_t *at);

#endif
