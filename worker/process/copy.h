/* SPDX-License-Identifier: MIT
 *
 * The copy of the app that a generation runs: made and sealed by the process that describes the
 * app, before any code of it runs; loaded by that process and by the workers. The file is read
 * through once and never mapped: somebody may be writing to it.
 */
#ifndef CREWMAN_COPY_H
#define CREWMAN_COPY_H

#include <jansson.h>
#include <stddef.h>

#include "elf_file.h"

/* Copy the file at `path` into the empty memfd `fd`, which is closed in any case. A descriptor
 * of the copy that can only be read, or CREW_EINVAL with a line for people: no regular file,
 * not a shared object, too large, cut short, or changing all the time. */
int copy_make(const char *path, int fd, char *out_why, size_t size);

/* Its bytes, until copy_unmap(). CREW_EINVAL when `fd` is no copy that stays as it is. */
int copy_map(int fd, struct elf_file *out_file);
void copy_unmap(const struct elf_file *file);

/* Add to a description what the copy says: "pinned", "build_id", and the "libraries" beside the
 * app that are not in it. */
void copy_describe(const char *path, int fd, json_t *description);

#endif
