/* SPDX-License-Identifier: MIT
 *
 * See spill.h.
 */
#include "spill.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE       0666 /* less the umask: a saved file is one like those the app makes */
#define COPY_PIECE (1u << 20)
/* Of the files that the worker may open; the rest is for connections. */
#define SPILLS_PART 8u

void spills_init(struct spills *spills) {
    struct rlimit files = {.rlim_cur = 1024};
    (void)getrlimit(RLIMIT_NOFILE, &files);
    *spills = (struct spills){.max = files.rlim_cur / SPILLS_PART};
    if (spills->max == 0)
        spills->max = 1;
}

/* For file systems without O_TMPFILE. */
static int open_named(const char *dir) {
    char path[PATH_MAX];
    int len = snprintf(path, sizeof(path), "%s/crewman-XXXXXX", dir);
    if (len < 0 || (size_t)len >= sizeof(path))
        return -ENAMETOOLONG;
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    unlink(path);
    return fd;
}

int spill_open(struct spill *spill, struct spills *spills, const char *dir) {
    if (spills->open >= spills->max)
        return -EMFILE;
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, MODE);
    if (fd < 0)
        fd = errno == EOPNOTSUPP || errno == EISDIR ? open_named(dir) : -errno;
    if (fd < 0)
        return fd;
    *spill = (struct spill){.fd = fd};
    spills->open++;
    return 0;
}

void spill_close(struct spill *spill, struct spills *spills) {
    spills->open--;
    close(spill->fd);
    spill->fd = -1;
}

static int write_all(int fd, const char *data, size_t len) {
    while (len > 0) {
        ssize_t written = write(fd, data, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written < 0 ? -errno : -EIO;
        data += written;
        len -= (size_t)written;
    }
    return 0;
}

int spill_append(struct spill *spill, const char *data, size_t len) {
    int result = write_all(spill->fd, data, len);
    if (result == 0)
        spill->size += len;
    return result;
}

/* Within one file system blocks may be shared; across two the kernel still copies without us.
 */
static ssize_t copy_piece(int from, off_t *offset, int to, size_t len) {
    ssize_t copied = copy_file_range(from, offset, to, NULL, len, 0);
    if (copied >= 0 || errno == EINTR || errno == ENOSPC || errno == EDQUOT)
        return copied;
    return sendfile(to, from, offset, len);
}

static int copy_all(int from, uint64_t offset, uint64_t size, int to) {
    off_t at = (off_t)offset;
    while (size > 0) {
        ssize_t copied = copy_piece(from, &at, to, size < COPY_PIECE ? size : COPY_PIECE);
        if (copied < 0 && errno == EINTR)
            continue;
        if (copied <= 0)
            return copied < 0 ? -errno : -EIO;
        size -= (uint64_t)copied;
    }
    return 0;
}

static int create(const char *path) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, MODE);
    return fd < 0 ? -errno : fd;
}

/* Close what was written; one that is not whole must not stay. */
static int finish(int fd, int result, const char *path) {
    if (close(fd) != 0 && result == 0)
        result = -errno;
    if (result != 0)
        unlink(path);
    return result;
}

/* A file without a name can be given one, in place of copying it (openat(2)). Once only: two
 * names would be one file, and who changes one of them changes both. */
static bool link_whole(int fd, uint64_t offset, uint64_t size, const char *path) {
    struct stat info;
    char self[sizeof("/proc/self/fd/") + 12];
    if (offset != 0 || fstat(fd, &info) != 0 || (uint64_t)info.st_size != size ||
        info.st_nlink != 0)
        return false;
    snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0;
}

int spill_save(int fd, uint64_t offset, uint64_t size, const char *path) {
    if (link_whole(fd, offset, size, path))
        return 0;
    int to = create(path);
    return to < 0 ? to : finish(to, copy_all(fd, offset, size, to), path);
}

int spill_save_bytes(const char *data, size_t len, const char *path) {
    int to = create(path);
    return to < 0 ? to : finish(to, write_all(to, data, len), path);
}
