/* SPDX-License-Identifier: MIT
 *
 * The run directory, held open, and the pid file in it: what tells instances apart. Made by a
 * start, and again when somebody has removed it while the instance runs. Only a folder that
 * others cannot change is taken, and no name is removed whose file is not ours. Called by
 * setup.c and upkeep.c.
 */
#ifndef CREWMAN_RUNDIR_H
#define CREWMAN_RUNDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "trusted.h"

struct rundir {
    char *path;                 /* NULL: not open */
    struct trusted_place place; /* its `where` is the path */
    dev_t device;
    ino_t inode;
    int pid_fd;         /* of the pid file, locked; -1: none */
    bool is_new_folder; /* made again, and not told yet */
    bool is_lost;       /* and that has been said */
};

#define RUNDIR_CLOSED ((struct rundir){.place.folder = -1, .pid_fd = -1})

/* Open the folder, which is made when there is none; its own folder must exist. 0, or a
 * negative errno number with a line for people. */
int rundir_open(struct rundir *rundir, const struct trust *trust, const char *path,
                char *out_why, size_t size);

/* Would rundir_open() and rundir_lock() take what is there? Makes nothing; no folder is fine.
 * 0, or as above. */
int rundir_check(const struct trust *trust, const char *path, char *out_why, size_t size);

/* Who answers on the admin socket in it: a pid, 0 when nobody does, -1 when the kernel does not
 * say. Changes nothing, and waits for nobody. */
pid_t rundir_find_other(const struct rundir *rundir);

/* Take the pid file. *out_other: who died without removing it, or 0. -EWOULDBLOCK: another has
 * it, *out_other, 0 when its pid cannot be read; else a negative errno number with a line. */
int rundir_lock(struct rundir *rundir, const struct trust *trust, pid_t *out_other,
                char *out_why, size_t size);

enum rundir_news {
    RUNDIR_SAME,  /* as it was */
    RUNDIR_AGAIN, /* was gone and is there again */
    RUNDIR_LOST   /* is gone, and cannot be made */
};

/* Once a second. *out_is_new_folder: what else was in it is gone. A line for people with all
 * but RUNDIR_SAME. */
enum rundir_news rundir_look(struct rundir *rundir, const struct trust *trust,
                             bool *out_is_new_folder, char *out_why, size_t size);

/* Remove the pid file, if it is ours, and close. Harmless twice. */
void rundir_close(struct rundir *rundir);

#endif
