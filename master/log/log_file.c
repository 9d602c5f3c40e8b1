/* SPDX-License-Identifier: MIT
 *
 * See log_file.h. O_NONBLOCK keeps open(2) from waiting for the other end of a FIFO or a serial
 * line; it is cleared where the description is our own, for the thread that writes may wait.
 */
#include "log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPTIONS (O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

static int fail(const char *path, int err, const char *text, char *why, size_t size) {
    bool is_named = strncmp(text, path, strlen(path)) == 0;
    snprintf(why, size, "log %s%s%s", is_named ? "" : path, is_named ? "" : ": ", text);
    return err;
}

/* The descriptor of ours that the path names; -1: none. To open it again fails for a socket, as
 * systemd gives us one, and for a pipe of another user. */
static int standard_of(const char *path) {
    static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/"};
    if (strcmp(path, "/dev/stdout") == 0)
        return STDOUT_FILENO;
    if (strcmp(path, "/dev/stderr") == 0)
        return STDERR_FILENO;
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        size_t len = strlen(folders[i]);
        size_t digits = strspn(path + len * !strncmp(path, folders[i], len), "0123456789");
        if (strncmp(path, folders[i], len) == 0 && digits > 0 && digits < 6 &&
            path[len + digits] == '\0')
            return (int)strtol(path + len, NULL, 10);
    }
    return -1;
}

static int check_type(const char *path, mode_t mode, char *why, size_t size) {
    if (S_ISREG(mode) || S_ISFIFO(mode) || S_ISCHR(mode))
        return 0;
    if (S_ISDIR(mode))
        return fail(path, -EISDIR, strerror(EISDIR), why, size);
    if (S_ISSOCK(mode))
        return fail(path, -ENXIO,
                    "a unix socket; expected a file, a FIFO or a terminal; under systemd use "
                    "/dev/stderr",
                    why, size);
    return fail(path, -ENXIO, "expected a file, a FIFO or a terminal", why, size);
}

/* 0 also when there is nothing yet. */
static int look(const char *path, struct stat *out_file, char *why, size_t size) {
    if (stat(path, out_file) == 0)
        return check_type(path, out_file->st_mode, why, size);
    out_file->st_mode = S_IFREG;
    return errno == ENOENT ? 0 : fail(path, -errno, strerror(errno), why, size);
}

/* A descriptor of another process, as containers use them: what it leads to is no name in a
 * folder. */
static bool is_kernels(const char *path) {
    return strncmp(path, "/proc/", strlen("/proc/")) == 0;
}

static int open_with(const struct trust *trust, const char *path, int flags, char *why,
                     size_t size) {
    int fd = is_kernels(path) ? open(path, flags | OPTIONS, 0640)
                              : trusted_open(trust, path, flags | OPTIONS, 0640, why, size);
    if (fd >= 0 || !is_kernels(path))
        return fd;
    snprintf(why, size, "%s", strerror(errno));
    return -errno;
}

/* Opened for reading too it has a reader, ourselves: lines wait in it for another. */
static int open_fifo(const struct trust *trust, const char *path, char *why, size_t size) {
    int fd = open_with(trust, path, O_RDWR, why, size);
    if (fd == -EACCES)
        fd = open_with(trust, path, O_WRONLY, why, size);
    if (fd == -ENXIO)
        snprintf(why, size, "nobody reads this FIFO, and we may not");
    return fd;
}

static int open_any(const struct trust *trust, const char *path, mode_t mode, char *why,
                    size_t size) {
    int fd = S_ISFIFO(mode) ? open_fifo(trust, path, why, size)
                            : open_with(trust, path, O_WRONLY | O_CREAT, why, size);
    if (fd >= 0)
        (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    return fd;
}

int log_file_check(const struct trust *trust, const char *path, char *out_why, size_t size) {
    struct stat file;
    char why[512];
    if (standard_of(path) >= 0)
        return 0;
    int err = look(path, &file, out_why, size);
    if (err || is_kernels(path))
        return err;
    err = trusted_check(trust, path, why, sizeof(why));
    return err ? fail(path, err, why, out_why, size) : 0;
}

int log_file_open(const struct trust *trust, const char *path, char *out_why, size_t size) {
    struct stat file;
    char why[512];
    int standard = standard_of(path);
    int err = standard >= 0 ? 0 : look(path, &file, out_why, size);
    if (err)
        return err;
    int fd = standard >= 0 ? fcntl(standard, F_DUPFD_CLOEXEC, 3)
                           : open_any(trust, path, file.st_mode, why, sizeof(why));
    if (fd >= 0)
        return fd;
    return standard >= 0 ? fail(path, -errno, strerror(errno), out_why, size)
                         : fail(path, fd, why, out_why, size);
}
