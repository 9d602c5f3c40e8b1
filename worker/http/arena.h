/* SPDX-License-Identifier: MIT
 *
 * Memory that lives as long as one request: pieces are taken and never given back, all of it
 * ends at once. Pure.
 */
#ifndef CREWMAN_ARENA_H
#define CREWMAN_ARENA_H

#include <stddef.h>

struct arena_block;
struct arena_text;

struct arena {
    struct arena_block *blocks;
    struct arena_text *texts;
    size_t held; /* memory of the blocks */
};

/* NULL without memory. */
void *arena_take(struct arena *arena, size_t size);

/* A copy with a NUL behind it. */
char *arena_copy(struct arena *arena, const char *data, size_t len);

/* The same for what is only read: asked for again, it is the copy that there is. */
const char *arena_text(struct arena *arena, const char *data, size_t len);

void arena_done(struct arena *arena);

#endif
