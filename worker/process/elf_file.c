/* SPDX-License-Identifier: MIT
 *
 * See elf_file.h. Headers are copied out: nothing says that they stand aligned.
 */
#include "elf_file.h"

#include <elf.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define OWN_CLASS (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)

static bool take(const struct elf_file *file, uint64_t at, void *out, size_t len) {
    if (at > file->size || file->size - at < len)
        return false;
    memcpy(out, file->bytes + at, len);
    return true;
}

bool elf_is_one(const struct elf_file *file) {
    return file->size >= SELFMAG && memcmp(file->bytes, ELFMAG, SELFMAG) == 0;
}

static bool take_head(const struct elf_file *file, ElfW(Ehdr) * out) {
    return elf_is_one(file) && take(file, 0, out, sizeof(*out)) &&
           out->e_ident[EI_CLASS] == OWN_CLASS && out->e_phentsize == sizeof(ElfW(Phdr));
}

static bool take_segment(const struct elf_file *file, const ElfW(Ehdr) * head, unsigned i,
                         ElfW(Phdr) * out) {
    return i < head->e_phnum && head->e_phoff < file->size &&
           take(file, head->e_phoff + (uint64_t)i * sizeof(*out), out, sizeof(*out));
}

/* Sums of a file that is nonsense must not wrap. */
static size_t end_of(uint64_t offset, uint64_t len) {
    return offset > SIZE_MAX / 4 || len > SIZE_MAX / 4 ? SIZE_MAX : (size_t)(offset + len);
}

/* The section headers mostly stand last, so that nearly every unfinished copy is found. */
size_t elf_whole_size(const struct elf_file *file) {
    ElfW(Ehdr) head;
    ElfW(Phdr) segment;
    if (!elf_is_one(file) || (file->size >= EI_NIDENT && file->bytes[EI_CLASS] != OWN_CLASS))
        return 0;
    if (!take_head(file, &head))
        return file->size < sizeof(head) ? sizeof(head) : 0;
    size_t whole = end_of(head.e_phoff, (uint64_t)head.e_phnum * head.e_phentsize);
    size_t sections = end_of(head.e_shoff, (uint64_t)head.e_shnum * head.e_shentsize);
    if (head.e_shoff > 0 && sections > whole)
        whole = sections;
    for (unsigned i = 0; take_segment(file, &head, i, &segment); i++) {
        size_t end = end_of(segment.p_offset, segment.p_filesz);
        if (segment.p_type == PT_LOAD && end > whole)
            whole = end;
    }
    return whole;
}

static size_t aligned(size_t len) {
    return (len + 3u) & ~(size_t)3u;
}

static void write_hex(const unsigned char *bytes, size_t len, char *out_text) {
    if (len > ELF_BUILD_ID_MAX / 2)
        len = ELF_BUILD_ID_MAX / 2;
    for (size_t i = 0; i < len; i++)
        snprintf(out_text + 2 * i, 3, "%02x", bytes[i]);
}

/* The notes of one segment: name and content, each filled up to a multiple of four. */
static bool find_build_id(const struct elf_file *file, const ElfW(Phdr) * segment,
                          char *out_text) {
    ElfW(Nhdr) note;
    size_t at = segment->p_offset, end = end_of(segment->p_offset, segment->p_filesz);
    if (end > file->size)
        return false;
    while (at < end && take(file, at, &note, sizeof(note))) {
        char name[4] = "";
        size_t content = end_of(at + sizeof(note), aligned(note.n_namesz));
        size_t next = end_of(content, aligned(note.n_descsz));
        if (next > end)
            return false;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof(name) &&
            take(file, at + sizeof(note), name, sizeof(name)) && memcmp(name, "GNU", 4) == 0) {
            write_hex(file->bytes + content, note.n_descsz, out_text);
            return true;
        }
        at = next;
    }
    return false;
}

void elf_build_id(const struct elf_file *file, char out_text[ELF_BUILD_ID_MAX + 1]) {
    ElfW(Ehdr) head;
    ElfW(Phdr) segment;
    *out_text = '\0';
    if (!take_head(file, &head))
        return;
    for (unsigned i = 0; take_segment(file, &head, i, &segment); i++)
        if (segment.p_type == PT_NOTE && find_build_id(file, &segment, out_text))
            return;
}

/* Where the byte of that address stands in the file; its size when nowhere. */
static size_t place_of(const struct elf_file *file, const ElfW(Ehdr) * head, uint64_t address) {
    ElfW(Phdr) segment;
    for (unsigned i = 0; take_segment(file, head, i, &segment); i++)
        if (segment.p_type == PT_LOAD && address >= segment.p_vaddr &&
            address - segment.p_vaddr < segment.p_filesz)
            return end_of(segment.p_offset, address - segment.p_vaddr);
    return file->size;
}

/* The entry of that number; false behind the last. */
static bool take_entry(const struct elf_file *file, const ElfW(Ehdr) * head, size_t number,
                       ElfW(Dyn) * out) {
    ElfW(Phdr) segment;
    for (unsigned i = 0; take_segment(file, head, i, &segment); i++)
        if (segment.p_type == PT_DYNAMIC)
            return number < segment.p_filesz / sizeof(*out) &&
                   take(file, end_of(segment.p_offset, number * sizeof(*out)), out,
                        sizeof(*out)) &&
                   out->d_tag != DT_NULL;
    return false;
}

static uint64_t value_of(const struct elf_file *file, const ElfW(Ehdr) * head, long tag) {
    ElfW(Dyn) entry;
    for (size_t i = 0; take_entry(file, head, i, &entry); i++)
        if (entry.d_tag == tag)
            return entry.d_un.d_val;
    return 0;
}

/* NULL unless it ends within the file. */
static const char *text_at(const struct elf_file *file, size_t at) {
    if (at >= file->size || !memchr(file->bytes + at, '\0', file->size - at))
        return NULL;
    return (const char *)file->bytes + at;
}

const char *elf_next_text(const struct elf_file *file, long tag, size_t *at) {
    ElfW(Ehdr) head;
    ElfW(Dyn) entry;
    if (!take_head(file, &head))
        return NULL;
    size_t texts = place_of(file, &head, value_of(file, &head, DT_STRTAB));
    while (take_entry(file, &head, (*at)++, &entry)) {
        const char *text = text_at(file, end_of(texts, entry.d_un.d_val));
        if (entry.d_tag == tag && texts < file->size && text)
            return text;
    }
    return NULL;
}
