/* SPDX-License-Identifier: MIT
 *
 * A temporary file for what a peer sends and memory should not hold. It has no name, so that
 * neither an abort nor a crash leaves it behind. Writes block for as long as the kernel needs
 * to take the bytes into its page cache; nothing is synced. From upload.c.
 */
#ifndef CREWMAN_SPILL_H
#define CREWMAN_SPILL_H

#include <stddef.h>
#include <stdint.h>

struct spill {
    int fd;
    uint64_t size;
};

/* 0, or a negative errno. */
int spill_open(struct spill *spill, const char *dir);
void spill_close(struct spill *spill);

/* All of it, or a negative errno: how much was written is then not defined. */
int spill_append(struct spill *spill, const char *data, size_t len);

/* Give `size` bytes from `offset` of a spill's descriptor a name, which must be free. The file
 * itself, where it can be done, a copy else. 0, or a negative errno. */
int spill_save(int fd, uint64_t offset, uint64_t size, const char *path);

/* The same of bytes in memory. */
int spill_save_bytes(const char *data, size_t len, const char *path);

#endif
