/* SPDX-License-Identifier: MIT
 *
 * Linear probing; a removal shifts the entries behind it back, so that a search ends at the
 * first free place. Both walk to the end of a run of entries, so ids are scattered: those that
 * are given out one after the other would otherwise stand in one run.
 */
#include "idmap.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define IDMAP_MIN 16u

/* 2^64 divided by the golden ratio: multiples of it lie evenly in the highest bits. */
#define SCATTER 0x9e3779b97f4a7c15u

static uint64_t id_of(const struct idmap *map, const void *object) {
    return *(const uint64_t *)((const char *)object + map->id_offset);
}

static size_t home_of(const struct idmap *map, uint64_t id) {
    return (size_t)(id * SCATTER >> map->shift);
}

static size_t place_of(const struct idmap *map, uint64_t id) {
    size_t at = home_of(map, id);
    while (map->entries[at] && id_of(map, map->entries[at]) != id)
        at = (at + 1) & (map->capacity - 1);
    return at;
}

static int resize(struct idmap *map, size_t capacity) {
    void **old = map->entries;
    size_t old_capacity = map->capacity;
    void **entries = calloc(capacity, sizeof(*entries));
    if (!entries)
        return -ENOMEM;
    map->entries = entries;
    map->capacity = capacity;
    map->shift = 64 - (unsigned)__builtin_ctzll(capacity);
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i])
            entries[place_of(map, id_of(map, old[i]))] = old[i];
    free(old);
    return 0;
}

void idmap_init(struct idmap *map, size_t id_offset) {
    *map = (struct idmap){.id_offset = id_offset};
}

void idmap_done(struct idmap *map) {
    free(map->entries);
    idmap_init(map, map->id_offset);
}

int idmap_put(struct idmap *map, void *object) {
    if ((map->count + 1) * 4 > map->capacity * 3) {
        int err = resize(map, map->capacity ? map->capacity * 2 : IDMAP_MIN);
        if (err)
            return err;
    }
    map->entries[place_of(map, id_of(map, object))] = object;
    map->count++;
    return 0;
}

void *idmap_find(const struct idmap *map, uint64_t id) {
    if (map->count == 0 || id == 0)
        return NULL;
    return map->entries[place_of(map, id)];
}

/* May the entry at `from` move to the free place `hole` without leaving its probe sequence? */
static bool can_fill(const struct idmap *map, size_t hole, size_t from) {
    size_t mask = map->capacity - 1;
    size_t home = home_of(map, id_of(map, map->entries[from]));
    return ((from - home) & mask) >= ((from - hole) & mask);
}

static void close_gap(struct idmap *map, size_t hole) {
    size_t mask = map->capacity - 1;
    for (size_t at = (hole + 1) & mask; map->entries[at]; at = (at + 1) & mask) {
        if (can_fill(map, hole, at)) {
            map->entries[hole] = map->entries[at];
            hole = at;
        }
    }
    map->entries[hole] = NULL;
}

void *idmap_take(struct idmap *map, uint64_t id) {
    if (map->count == 0 || id == 0)
        return NULL;
    size_t at = place_of(map, id);
    void *object = map->entries[at];
    if (!object)
        return NULL;
    close_gap(map, at);
    map->count--;
    if (map->capacity > IDMAP_MIN && map->count * 8 < map->capacity)
        (void)resize(map, map->capacity / 2); /* without memory it just stays as large */
    return object;
}
