/* SPDX-License-Identifier: MIT
 *
 * The programs that the master starts. It finds them beside its own and holds them open from
 * its start on: what it executes are those files, so that an installation which replaces or
 * removes them meanwhile neither stops a worker from coming back nor mixes versions. Never
 * reads one.
 */
#ifndef CREWMAN_PROGRAM_H
#define CREWMAN_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

enum program_id { PROGRAM_WORKER, PROGRAM_COUNT };

struct program {
    char *path; /* for people, and to start it by */
    int fd;     /* -1: it is started by its path only */
    char held_path[48];
};

struct programs {
    struct program list[PROGRAM_COUNT];
};

/* By the process that is going to start them, not by its parent. 0, or a negative errno number
 * with a line for people; then there is nothing to close. */
int programs_open(struct programs *programs, char *out_why, size_t size);
void programs_close(struct programs *programs);

/* What to execute, for as long as the programs are open: the file that is held, or with
 * `is_pinned` false whatever stands at its path now. */
const char *program_file(const struct program *program, bool is_pinned);

#endif
