/* SPDX-License-Identifier: MIT
 *
 * See pidfile.h. flock(2) belongs to the open file, so it survives the fork of a daemon, and
 * workers, which do not inherit the descriptor, do not hold it.
 */
#include "pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static pid_t read_pid(int fd) {
    char text[32] = {0};
    if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
        return 0;
    return (pid_t)strtol(text, NULL, 10);
}

bool pidfile_is_there(const struct trusted_place *place, int fd) {
    struct stat named, held;
    return fstatat(place->folder, PIDFILE_NAME, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstat(fd, &held) == 0 && named.st_ino == held.st_ino && named.st_dev == held.st_dev;
}

static int write_pid(int fd) {
    char text[32];
    int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) != len)
        return errno ? -errno : -ENOSPC;
    return 0;
}

static int fail(int fd, int err, char *why, size_t size) {
    snprintf(why, size, "%s", strerror(-err));
    close(fd);
    return err;
}

int pidfile_take(const struct trust *trust, const struct trusted_place *place, pid_t *out_other,
                 char *out_why, size_t size) {
    for (;;) {
        int fd =
            trusted_open_at(trust, place, PIDFILE_NAME, O_RDWR | O_CREAT, 0644, out_why, size);
        if (fd < 0)
            return fd;
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            int err = -errno;
            if (err == -EWOULDBLOCK)
                *out_other = read_pid(fd);
            return fail(fd, err, out_why, size);
        }
        /* The one before may have removed it between our open and our lock: then we hold a
         * file without a name. */
        if (pidfile_is_there(place, fd)) {
            pid_t before = read_pid(fd);
            int err = write_pid(fd);
            if (err)
                return fail(fd, err, out_why, size);
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

void pidfile_release(const struct trusted_place *place, int fd) {
    if (pidfile_is_there(place, fd))
        unlinkat(place->folder, PIDFILE_NAME, 0);
    close(fd);
}
