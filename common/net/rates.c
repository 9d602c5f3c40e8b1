/* SPDX-License-Identifier: MIT
 *
 * See rates.h. An address may lie in the few entries of one set only. The keys are whole, so
 * that no two addresses share a count.
 */
#include "rates.h"

#include <stddef.h>
#include <stdlib.h>

#define SETS 4096u
#define WAYS 4u

struct rate {
    uint64_t key; /* 0: unused */
    uint32_t second, count;
};

void rates_init(struct rates *rates, uint64_t seed) {
    *rates = (struct rates){.seed = seed};
}

void rates_done(struct rates *rates) {
    free(rates->entries);
    rates->entries = NULL;
}

int rates_start(struct rates *rates) {
    rates->entries = calloc((size_t)SETS * WAYS, sizeof(*rates->entries));
    return rates->entries ? 0 : CREW_ENOMEM;
}

/* Is `a` worth less than `b`? Of older seconds nothing is needed any more. */
static bool is_less(const struct rate *a, const struct rate *b) {
    if (a->key == 0 || b->key == 0)
        return a->key == 0 && b->key != 0;
    if (a->second != b->second)
        return (int32_t)(a->second - b->second) < 0;
    return a->count < b->count;
}

/* Its entry, or a new one in place of the one that is worth least. */
static struct rate *entry_of(struct rates *rates, uint64_t key, uint32_t second) {
    struct rate *set = &rates->entries[key % SETS * WAYS];
    struct rate *least = set;
    for (struct rate *entry = set; entry < set + WAYS; entry++) {
        if (entry->key == key)
            return entry;
        if (is_less(entry, least))
            least = entry;
    }
    *least = (struct rate){.key = key, .second = second};
    return least;
}

bool rates_pass(struct rates *rates, const struct address *address, uint32_t limit,
                uint32_t second) {
    uint64_t key = rates->entries ? address_hash(address, rates->seed) : 0;
    if (key == 0)
        return true;
    struct rate *entry = entry_of(rates, key, second);
    if (entry->second != second) {
        entry->second = second;
        entry->count = 0;
    }
    if (entry->count >= limit)
        return false;
    entry->count++;
    return true;
}
