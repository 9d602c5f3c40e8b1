/* SPDX-License-Identifier: MIT
 *
 * From a 64-bit id to the object that has it: open addressing with linear probing, no
 * tombstones. Owns the table, never the objects. Ids that are given out one after the other, as
 * ours are, hardly ever collide. Pure.
 */
#ifndef CREWMAN_IDMAP_H
#define CREWMAN_IDMAP_H

#include <stddef.h>
#include <stdint.h>

struct idmap_entry {
    uint64_t id; /* 0: free */
    void *value;
};

struct idmap {
    struct idmap_entry *entries;
    size_t capacity; /* 0 or a power of two */
    size_t count;
};

void idmap_init(struct idmap *map);
void idmap_done(struct idmap *map);

/* `id` is not 0 and not in the map, `value` is not NULL. 0 or -ENOMEM. */
int idmap_put(struct idmap *map, uint64_t id, void *value);

/* NULL when it is not there. */
void *idmap_find(const struct idmap *map, uint64_t id);

/* Remove and answer the value, or NULL. Gives memory back when the table has become nearly
 * empty. */
void *idmap_take(struct idmap *map, uint64_t id);

#endif
