/* SPDX-License-Identifier: MIT
 *
 * From a 64-bit id to the object that has it: open addressing with linear probing, no
 * tombstones. A place is one pointer; the id is read in the object itself. Owns the table,
 * never the objects. Pure.
 */
#ifndef CREWMAN_IDMAP_H
#define CREWMAN_IDMAP_H

#include <stddef.h>
#include <stdint.h>

struct idmap {
    void **entries;  /* NULL: free */
    size_t capacity; /* 0 or a power of two */
    size_t count;
    size_t id_offset;
    unsigned shift; /* 64 less the bits of a place */
};

/* `id_offset`: where each object has its uint64_t id, which does not change while it is in. */
void idmap_init(struct idmap *map, size_t id_offset);
void idmap_done(struct idmap *map);

/* Its id is not 0 and not in the map. 0 or -ENOMEM. */
int idmap_put(struct idmap *map, void *object);

/* NULL when it is not there. */
void *idmap_find(const struct idmap *map, uint64_t id);

/* Remove and answer the object, or NULL. Gives memory back when the table has become nearly
 * empty. */
void *idmap_take(struct idmap *map, uint64_t id);

#endif
