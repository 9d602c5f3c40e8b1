/* SPDX-License-Identifier: MIT
 *
 * See folder.h. The old folder is open while the new one is compared with it, so an inode
 * number that is used again deceives nobody. What was opened in the old one goes on.
 */
#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crewman.h"
#include "log.h"

int folder_open(struct folder *folder) {
    struct stat status;
    int fd = open(folder->path, folder->flags | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &status) != 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    folder->fd = fd;
    folder->device = status.st_dev;
    folder->inode = status.st_ino;
    folder->is_missing = false;
    return 0;
}

static int miss(struct folder *folder, int error) {
    if (!folder->is_missing)
        log_warning("service \"%s\": %s %s: %s; it is looked for at each use", folder->service,
                    folder->key, folder->path, crew_strerror(error));
    folder->is_missing = true;
    return error;
}

static int change(struct folder *folder) {
    int old = folder->fd, error = folder_open(folder);
    if (error)
        return miss(folder, error);
    close(old);
    log_notice("service \"%s\": %s %s: another folder has this name now", folder->service,
               folder->key, folder->path);
    return folder->fd;
}

int folder_fd(struct folder *folder) {
    struct stat status;
    if (stat(folder->path, &status) != 0)
        return miss(folder, -errno);
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
