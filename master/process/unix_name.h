/* SPDX-License-Identifier: MIT
 *
 * The name of a unix socket that we have bound: its folder is held open, and the file is known
 * by its inode. So what is given away or removed is ours, whoever may write into the folder and
 * whatever stands at the path by then. Used by sockets.c.
 */
#ifndef CREWMAN_UNIX_NAME_H
#define CREWMAN_UNIX_NAME_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

struct unix_name {
    int folder; /* -1: there is no name */
    char name[sizeof(((struct sockaddr_un *)0)->sun_path)];
    dev_t device;
    ino_t inode;
};

#define UNIX_NAME_NONE ((struct unix_name){.folder = -1})

/* Bind `fd` to the path; a file on which nobody listens any more is replaced. It gets that mode
 * and those owners, (uid_t)-1 and (gid_t)-1 leave ours. 0, or a negative errno number:
 * -EADDRINUSE when somebody listens there, -EEXIST when it is no socket. */
int unix_name_bind(struct unix_name *name, int fd, const char *path, mode_t mode, uid_t user,
                   gid_t group);

/* Does the path still lead to it? */
bool unix_name_is_at(const struct unix_name *name, const char *path);

/* Remove it if it is still ours, and let go of the folder. Harmless without a name. */
void unix_name_remove(struct unix_name *name);

#endif
