/* SPDX-License-Identifier: MIT
 *
 * See copy.h.
 */
#include "copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crewman.h"
#include "library.h"
#include "memfd.h"
#include "origin.h"

#define TRIES 3

static int fail(const char *path, const char *text, char *why, size_t size) {
    snprintf(why, size, "%s: %s", path, text);
    return CREW_EINVAL;
}

static int open_source(const char *path, char *why, size_t size) {
    struct stat file;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return fail(path, strerror(errno), why, size);
    if (fstat(fd, &file) == 0 && S_ISREG(file.st_mode))
        return fd;
    close(fd);
    return fail(path, "not a file", why, size);
}

static int write_all(int fd, const char *data, size_t len) {
    while (len > 0) {
        ssize_t done = write(fd, data, len);
        if (done <= 0)
            return done < 0 ? -errno : -EIO;
        data += done;
        len -= (size_t)done;
    }
    return 0;
}

/* 0; 1: there is more of it than `size`; or a negative errno number. */
static int copy_bytes(int from, int to, off_t size) {
    char buffer[64 * 1024];
    off_t whole = 0;
    if (lseek(from, 0, SEEK_SET) != 0 || lseek(to, 0, SEEK_SET) != 0 || ftruncate(to, 0) != 0)
        return -errno;
    for (;;) {
        ssize_t got = read(from, buffer, sizeof(buffer));
        if (got <= 0)
            return got < 0 ? -errno : 0;
        whole += got;
        int err = whole > size ? 1 : write_all(to, buffer, (size_t)got);
        if (err)
            return err;
    }
}

static bool is_same_time(const struct timespec *a, const struct timespec *b) {
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool has_changed(const struct stat *before, const struct stat *after) {
    return before->st_size != after->st_size ||
           !is_same_time(&before->st_mtim, &after->st_mtim) ||
           !is_same_time(&before->st_ctim, &after->st_ctim);
}

/* 0; 1: it changed meanwhile; or a negative errno number. */
static int copy_once(int from, int to) {
    struct stat before, after;
    if (fstat(from, &before) != 0)
        return -errno;
    int err = before.st_size > MEMFD_APP_MAX ? -E2BIG : copy_bytes(from, to, before.st_size);
    if (err)
        return err;
    if (fstat(from, &after) != 0)
        return -errno;
    return has_changed(&before, &after);
}

static int copy_file(const char *path, int from, int to, char *why, size_t size) {
    int result = 1;
    for (int i = 0; i < TRIES && result > 0; i++)
        result = copy_once(from, to);
    if (result == 0)
        return 0;
    if (result > 0)
        return fail(path, "changed while it was read; try again when the file is complete", why,
                    size);
    if (result == -E2BIG)
        snprintf(why, size,
                 "%s: larger than the %d MiB of an app that is pinned; set \"pin\": false "
                 "in the config",
                 path, (int)(MEMFD_APP_MAX >> 20));
    else
        snprintf(why, size, "%s: cannot be copied: %s", path, strerror(-result));
    return CREW_EINVAL;
}

int copy_map(int fd, struct elf_file *out_file) {
    struct stat file;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & MEMFD_FROZEN) != MEMFD_FROZEN || fstat(fd, &file) != 0 ||
        file.st_size <= 0)
        return CREW_EINVAL;
    void *bytes = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return CREW_EINVAL;
    *out_file = (struct elf_file){bytes, (size_t)file.st_size};
    return 0;
}

void copy_unmap(const struct elf_file *file) {
    munmap((void *)(uintptr_t)file->bytes, file->size);
}

/* Behind the end of a file that is cut there is nothing to execute: the loader would map it,
 * and the process die of it. */
static int check(const char *path, int fd, char *why, size_t size) {
    struct elf_file file = {0};
    bool is_mapped = copy_map(fd, &file) == 0;
    size_t whole = elf_whole_size(&file);
    bool is_other = !elf_is_one(&file);
    if (is_mapped)
        copy_unmap(&file);
    if (is_other)
        return library_refuse_other(path, why, size);
    if (whole <= file.size)
        return 0;
    snprintf(why, size,
             "%s: cut short: its headers ask for %zu bytes, found %zu; copy it whole, then try "
             "again",
             path, whole, file.size);
    return CREW_EINVAL;
}

/* From now on nobody can write to it, the app's own code included. */
static int seal(const char *path, int fd, char *why, size_t size) {
    if (fcntl(fd, F_ADD_SEALS, MEMFD_FROZEN) == 0)
        return 0;
    snprintf(why, size, "%s: its copy cannot be sealed: %s", path, strerror(errno));
    return CREW_EINVAL;
}

static int fill(const char *path, int fd, char *why, size_t size) {
    int from = open_source(path, why, size);
    if (from < 0)
        return from;
    int err = copy_file(path, from, fd, why, size);
    close(from);
    if (!err)
        err = seal(path, fd, why, size);
    return err ? err : check(path, fd, why, size);
}

int copy_make(const char *path, int fd, char *out_why, size_t size) {
    int result = fill(path, fd, out_why, size);
    if (!result) {
        result = memfd_reopen(fd);
        if (result < 0)
            result = fail(path, strerror(-result), out_why, size);
    }
    close(fd);
    return result;
}

void copy_describe(const char *path, int fd, json_t *description) {
    struct elf_file file;
    struct origin origin;
    char build_id[ELF_BUILD_ID_MAX + 1];
    json_t *libraries = json_array();
    if (copy_map(fd, &file) != 0)
        file = (struct elf_file){0};
    elf_build_id(&file, build_id);
    origin_find(&file, path, &origin);
    for (size_t i = 0; i < origin.count; i++)
        json_array_append_new(libraries, json_string(origin.libraries[i].path));
    origin_done(&origin);
    if (file.bytes)
        copy_unmap(&file);
    json_object_set_new(description, "pinned", json_true());
    json_object_set_new(description, "build_id", json_string(build_id));
    json_object_set_new(description, "libraries", libraries);
}
