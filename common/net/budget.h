/* SPDX-License-Identifier: MIT
 *
 * How many bytes of memory the peers of one loop make it hold, and how many they may. Owned by
 * struct conns; whoever keeps memory for a peer takes from it and gives back: sendq.c for what
 * is queued, conn_held.c for the rest. Judges nobody: see shed.h. Pure.
 */
#ifndef CREWMAN_BUDGET_H
#define CREWMAN_BUDGET_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

struct budget {
    size_t held;
    size_t limit; /* SIZE_MAX: none */
    size_t peak;  /* the most that was held since budget_forget_peak() */
    size_t going; /* of what is held, so much is free once those who have ended are buried */
};

/* What malloc(3) takes for so many bytes. */
static inline size_t budget_size(size_t size) {
    return (size + 8 + 15) / 16 * 16;
}

static inline void budget_take(struct budget *budget, size_t size) {
    budget->held += size;
    if (budget->held > budget->peak)
        budget->peak = budget->held;
}

static inline void budget_give(struct budget *budget, size_t size) {
    assert(budget->held >= size);
    budget->held -= size;
}

static inline bool budget_is_over(const struct budget *budget) {
    return budget->held > budget->limit && budget->held - budget->limit > budget->going;
}

static inline void budget_forget_peak(struct budget *budget) {
    budget->peak = budget->held;
}

#endif
