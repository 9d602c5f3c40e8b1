/* SPDX-License-Identifier: MIT
 *
 * See folder.h. The old folder is open while the new one is compared with it, so an inode
 * number that is used again deceives nobody. What was opened in the old one goes on.
 */
#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "trusted.h"

#define WHY_MAX 1024

static int check(const struct folder *folder, int fd, char *out_why, size_t size) {
    struct trust trust;
    if (!folder->is_own)
        return 0;
    trusted_init(&trust);
    return trusted_check_folder(&trust, fd, folder->path, out_why, size);
}

int folder_open(struct folder *folder, char *out_why, size_t size) {
    struct stat status;
    int fd = open(folder->path, folder->flags | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0) {
        int error = -errno;
        snprintf(out_why, size, "%s: %s", folder->path, strerror(-error));
        if (fd >= 0)
            close(fd);
        return error;
    }
    int error = check(folder, fd, out_why, size);
    if (error) {
        close(fd);
        return error;
    }
    folder->fd = fd;
    folder->device = status.st_dev;
    folder->inode = status.st_ino;
    folder->is_missing = false;
    return 0;
}

static int miss(struct folder *folder, int error, const char *why) {
    if (!folder->is_missing)
        log_warning("service \"%s\": %s %s; it is looked for at each use", folder->service,
                    folder->key, why);
    folder->is_missing = true;
    return error;
}

static int change(struct folder *folder) {
    char why[WHY_MAX];
    int old = folder->fd, error = folder_open(folder, why, sizeof(why));
    if (error)
        return miss(folder, error, why);
    close(old);
    log_notice("service \"%s\": %s %s: another folder has this name now", folder->service,
               folder->key, folder->path);
    return folder->fd;
}

int folder_fd(struct folder *folder) {
    struct stat status;
    if (stat(folder->path, &status) != 0) {
        int error = -errno;
        char why[WHY_MAX];
        snprintf(why, sizeof(why), "%s: %s", folder->path, strerror(-error));
        return miss(folder, error, why);
    }
    if (status.st_dev != folder->device || status.st_ino != folder->inode)
        return change(folder);
    if (folder->is_missing)
        log_notice("service \"%s\": %s %s is there again", folder->service, folder->key,
                   folder->path);
    folder->is_missing = false;
    return folder->fd;
}

void folder_close(struct folder *folder) {
    close(folder->fd);
    folder->fd = -1;
}
