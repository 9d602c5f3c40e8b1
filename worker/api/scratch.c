/* SPDX-License-Identifier: MIT
 *
 * See scratch.h.
 */
#include "scratch.h"

void scratch_done(struct scratch *scratch) {
    arena_done(&scratch->arena);
    scratch->used = 0;
}

static void release(struct guard_held *held) {
    scratch_done((struct scratch *)(void *)held);
}

char *scratch_take(struct scratch *scratch, struct guard *guard, size_t size) {
    if (size > SCRATCH_MAX - scratch->used)
        return NULL;
    char *memory = arena_take(&scratch->arena, size);
    if (!memory)
        return NULL;
    if (scratch->used == 0) {
        scratch->held.release = release;
        guard_hold_longer(guard, &scratch->held);
    }
    scratch->used += size;
    return memory;
}
