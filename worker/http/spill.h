/* SPDX-License-Identifier: MIT
 *
 * A temporary file for what a peer sends and memory should not hold. It has no name, so that
 * neither an abort nor a crash leaves it behind. Writes block for as long as the kernel needs
 * to take the bytes into its page cache; nothing is synced. All of a worker together take a
 * part of the files that it may open. From upload.c.
 */
#ifndef CREWMAN_SPILL_H
#define CREWMAN_SPILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "news.h"

/* Those of a worker. */
struct spills {
    size_t open, max;
    struct news news; /* of files that could not be kept */
};

/* By the limit of open files. */
void spills_init(struct spills *spills);

/* Are there so few that a form may have another one? */
static inline bool spills_are_few(const struct spills *spills) {
    return spills->open < spills->max / 2;
}

struct spill {
    int fd;
    uint64_t size;
};

/* 0, or a negative errno; -EMFILE: there are as many as may be, or no descriptor is left. */
int spill_open(struct spill *spill, struct spills *spills, const char *dir);
void spill_close(struct spill *spill, struct spills *spills);

/* All of it, or a negative errno: how much was written is then not defined. */
int spill_append(struct spill *spill, const char *data, size_t len);

/* Give `size` bytes from `offset` of a spill's descriptor a name, which must be free. The file
 * itself, where it can be done, a copy else. 0, or a negative errno. */
int spill_save(int fd, uint64_t offset, uint64_t size, const char *path);

/* The same of bytes in memory. */
int spill_save_bytes(const char *data, size_t len, const char *path);

#endif
