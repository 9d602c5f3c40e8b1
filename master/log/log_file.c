/* SPDX-License-Identifier: MIT
 *
 * See log_file.h. O_NONBLOCK keeps open(2) from waiting for the other end of a FIFO or a serial
 * line; it is cleared where the description is our own, for the thread that writes may wait.
 */
#include "log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPTIONS (O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

static int fail(const char *path, int err, const char *text, char *why, size_t size) {
    snprintf(why, size, "log %s: %s", path, text);
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

/* Opened for reading too it has a reader, ourselves: lines wait in it for another. */
static int open_fifo(const char *path) {
    int fd = open(path, O_RDWR | OPTIONS);
    return fd >= 0 || errno != EACCES ? fd : open(path, O_WRONLY | OPTIONS);
}

static int open_any(const char *path, mode_t mode) {
    int fd = S_ISFIFO(mode) ? open_fifo(path) : open(path, O_WRONLY | O_CREAT | OPTIONS, 0640);
    if (fd >= 0)
        (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    return fd;
}

int log_file_check(const char *path, char *out_why, size_t size) {
    struct stat file;
    return standard_of(path) >= 0 ? 0 : look(path, &file, out_why, size);
}

int log_file_open(const char *path, char *out_why, size_t size) {
    struct stat file;
    int standard = standard_of(path);
    int err = standard >= 0 ? 0 : look(path, &file, out_why, size);
    if (err)
        return err;
    int fd = standard >= 0 ? fcntl(standard, F_DUPFD_CLOEXEC, 3) : open_any(path, file.st_mode);
    if (fd >= 0)
        return fd;
    if (errno == ENXIO)
        return fail(path, -ENXIO, "nobody reads this FIFO, and we may not", out_why, size);
    return fail(path, -errno, strerror(errno), out_why, size);
}
