/* SPDX-License-Identifier: MIT
 *
 * A folder that the configuration names and that is used for as long as a worker lives: its
 * descriptor, and whether it is still the one that has the name. A folder that was removed and
 * made again, or a link that leads elsewhere now, is found at the next use, so that all workers
 * serve from the same one without a reload. Knows nothing of what is in it. Used by static.c
 * and the store of cookie sessions.
 */
#ifndef CREWMAN_FOLDER_H
#define CREWMAN_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct folder {
    const char *service, *key, *path; /* borrowed; for the log: "chat", "static.root" */
    int flags;                        /* of open(2), beside O_DIRECTORY | O_CLOEXEC */
    bool is_own;                      /* refused where others can change what is in it */
    int fd;
    dev_t device;
    ino_t inode;
    bool is_missing; /* and the log says so */
};

/* All but the last four fields are set. 0, or a negative errno number with a line that begins
 * with the folder's name. */
int folder_open(struct folder *folder, char *out_why, size_t size);

/* Its descriptor now; borrowed until the next call. A negative errno number: there is no such
 * folder at the moment. */
int folder_fd(struct folder *folder);

void folder_close(struct folder *folder);

#endif
