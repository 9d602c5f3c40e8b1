/* SPDX-License-Identifier: MIT
 *
 * The libraries that an app finds beside itself, by $ORIGIN in its run path. A copy of the app
 * stands nowhere, so that they are loaded before it, from where the app's own file is; the
 * loader then finds them by their names. They are not part of the copy.
 */
#ifndef CREWMAN_ORIGIN_H
#define CREWMAN_ORIGIN_H

#include <stddef.h>

#include "elf_file.h"

#define ORIGIN_MAX 64

struct origin {
    struct {
        char *name; /* as the app asks for it */
        char *path; /* absolute */
    } libraries[ORIGIN_MAX];
    size_t count;
};

/* Those of the app whose bytes are `file` and whose path is `path`, in its order; what is
 * beyond ORIGIN_MAX is left to the loader. Freed with origin_done(). */
void origin_find(const struct elf_file *file, const char *path, struct origin *out_origin);
void origin_done(struct origin *origin);

/* Load them, for good. 0, or CREW_EINVAL with a line for people. */
int origin_load(const struct elf_file *file, const char *path, char *out_why, size_t size);

#endif
