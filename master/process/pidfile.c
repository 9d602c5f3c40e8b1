/* SPDX-License-Identifier: MIT
 *
 * See pidfile.h. flock(2) belongs to the open file, so it survives the fork of a daemon, and
 * workers, which do not inherit the descriptor, do not hold it.
 */
#include "pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static pid_t read_pid(int fd) {
    char text[32] = {0};
    if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
        return 0;
    return (pid_t)strtol(text, NULL, 10);
}

/* The one before may have removed the file between our open and our lock: then we hold a file
 * without a name. */
static bool is_still_there(const char *path, int fd) {
    struct stat named, held;
    return stat(path, &named) == 0 && fstat(fd, &held) == 0 && named.st_ino == held.st_ino &&
           named.st_dev == held.st_dev;
}

static int write_pid(int fd) {
    char text[32];
    int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) != len)
        return errno ? -errno : -ENOSPC;
    return 0;
}

int pidfile_take(const char *path, pid_t *out_other) {
    for (;;) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0)
            return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            int err = errno;
            if (err == EWOULDBLOCK)
                *out_other = read_pid(fd);
            close(fd);
            return -err;
        }
        if (is_still_there(path, fd)) {
            pid_t before = read_pid(fd);
            int err = write_pid(fd);
            if (err) {
                close(fd);
                return err;
            }
            *out_other = before;
            return fd;
        }
        close(fd);
    }
}

pid_t pidfile_read(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return 0;
    pid_t pid = read_pid(fd);
    close(fd);
    return pid;
}

void pidfile_release(const char *path, int fd) {
    unlink(path);
    close(fd);
}
