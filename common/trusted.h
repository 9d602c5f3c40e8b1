/* SPDX-License-Identifier: MIT
 *
 * Names that nobody but root, ourselves and trusted groups can change. Each folder on the way
 * is looked at, and each symbolic link is followed here, only from a folder that was found
 * good: so a root that opens a log or a pid file never follows a link that somebody else has
 * put there. Keeps no state and may be called by any thread. Used by the master for its log,
 * run_dir and what is in it, by `check`, and by workers for session.dir.
 */
#ifndef CREWMAN_TRUSTED_H
#define CREWMAN_TRUSTED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define TRUSTED_GROUPS_MAX 16

struct trust {
    uid_t user;  /* ourselves */
    gid_t group; /* trusted too, unless we are root */
    uid_t also;  /* whom root of the machine is seen as in a user namespace; else root */
    gid_t groups[TRUSTED_GROUPS_MAX];
    size_t group_count;
    bool names_groups; /* they are those of trusted_groups, which may name one more */
};

/* Of this process; without more groups. */
void trusted_init(struct trust *trust);

/* Open the folder (O_PATH); `path` is absolute. Others may write into it only when it is
 * sticky: *out_is_shared. A descriptor, or a negative errno number with a line for people,
 * which names the folder or entry and not `path`. */
int trusted_folder(const struct trust *trust, const char *path, bool *out_is_shared,
                   char *out_why, size_t size);

/* Is this folder, open and called `path`, such a one? The folders above are not looked at. 0, or
 * as above. */
int trusted_check_folder(const struct trust *trust, int folder, const char *path, char *out_why,
                         size_t size);

/* Open the file, made when `flags` has O_CREAT and there is none. What is there must be ours or
 * root's; a file, a FIFO, or a device. Never waits. Same answers. */
int trusted_open(const struct trust *trust, const char *path, int flags, mode_t mode,
                 char *out_why, size_t size);

/* The same for a plain name in a folder that was opened before, and is called `where`. */
struct trusted_place {
    int folder;
    bool is_shared;
    const char *where;
};
int trusted_open_at(const struct trust *trust, const struct trusted_place *place,
                    const char *name, int flags, mode_t mode, char *out_why, size_t size);

/* Would trusted_open() take the name? Opens nothing; no file is fine. 0, or as above. */
int trusted_check(const struct trust *trust, const char *path, char *out_why, size_t size);

#endif
