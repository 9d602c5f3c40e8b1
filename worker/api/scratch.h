/* SPDX-License-Identifier: MIT
 *
 * Memory that the app may use until its callback has returned: crew_tmpf() and the like. What a
 * callback of the app's own libuv handles takes, which nobody here sees the end of, lasts until
 * the turn of the loop is over.
 */
#ifndef CREWMAN_SCRATCH_H
#define CREWMAN_SCRATCH_H

#include <stddef.h>

#include "arena.h"
#include "guard.h"

/* At most that much at a time. */
#define SCRATCH_MAX (16u * 1024u * 1024u)

struct scratch {
    struct guard_held held; /* first */
    struct arena arena;
    size_t used;
};

/* NULL without memory, or when it would be too much. */
char *scratch_take(struct scratch *scratch, struct guard *guard, size_t size);

/* All of it ends, with the process. */
void scratch_done(struct scratch *scratch);

#endif
