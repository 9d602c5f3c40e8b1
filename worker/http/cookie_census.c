/* SPDX-License-Identifier: MIT
 *
 * See cookie_census.h. An origin exists while it has a session, so their number is bounded by
 * that of the sessions.
 */
#include "cookie_census.h"

#include <errno.h>
#include <stdlib.h>

/* New ones may have an eighth at least: else nobody could log in where all others have. */
#define FRESH_SHARE 8u

/* What a session weighs beside its bytes, which a store of files does not count. */
#define SESSION_WEIGHT 1024u
/* The level of 16 sessions without values: a household is no crowd. */
#define MUCH 14u

struct cookie_origin {
    uint64_t key;
    size_t count, bytes;
    struct list fresh, used; /* of in_origin */
    struct list in_level;
    unsigned level;
};

void cookie_census_init(struct cookie_census *census, uint64_t seed, size_t max,
                        size_t max_bytes) {
    *census = (struct cookie_census){.seed = seed, .max = max, .max_bytes = max_bytes};
    list_init(&census->fresh);
    list_init(&census->used);
    for (size_t i = 0; i < sizeof(census->levels) / sizeof(census->levels[0]); i++)
        list_init(&census->levels[i]);
    idmap_init(&census->origins, offsetof(struct cookie_origin, key));
}

void cookie_census_done(struct cookie_census *census) {
    for (size_t i = 0; i < census->origins.capacity; i++)
        free(census->origins.entries[i]);
    idmap_done(&census->origins);
}

/* By a bijection, so that no two addresses share a count; 0 stays 0. */
static uint64_t mixed(const struct cookie_census *census, uint64_t key) {
    uint64_t mix = (key ^ census->seed) * 0xd6e8feb86659fd93u;
    return key == 0 ? 0 : mix ? mix : 1;
}

static struct cookie_origin *origin_of(struct cookie_census *census, uint64_t key) {
    struct cookie_origin *origin = idmap_find(&census->origins, key);
    if (origin)
        return origin;
    origin = malloc(sizeof(*origin));
    if (!origin)
        return NULL;
    *origin = (struct cookie_origin){.key = key};
    list_init(&origin->fresh);
    list_init(&origin->used);
    list_init(&origin->in_level);
    if (idmap_put(&census->origins, origin) == 0)
        return origin;
    free(origin);
    return NULL;
}

struct cookie_member *cookie_census_first(const struct list *list) {
    return list_is_empty(list) ? NULL : list_entry(list->next, struct cookie_member, in_all);
}

static struct cookie_member *first_of(const struct cookie_origin *origin) {
    const struct list *list = list_is_empty(&origin->fresh) ? &origin->used : &origin->fresh;
    return list_entry(list->next, struct cookie_member, in_origin);
}

static size_t share(const struct cookie_census *census) {
    size_t half = census->max / 2;
    return half > COOKIE_CENSUS_SHARE_MIN ? half : COOKIE_CENSUS_SHARE_MIN;
}

static unsigned level_of(const struct cookie_origin *origin) {
    uint64_t weight = origin->count * SESSION_WEIGHT + origin->bytes;
    return weight > 0 ? 63 - (unsigned)__builtin_clzll(weight) : 0;
}

/* It holds more, or less. */
static void weigh(struct cookie_census *census, struct cookie_origin *origin) {
    unsigned level = level_of(origin);
    if (level == origin->level)
        return;
    list_remove(&origin->in_level);
    list_append(&census->levels[level], &origin->in_level);
    origin->level = level;
}

/* One of those that hold most; NULL: nobody holds much. */
static const struct cookie_origin *greatest(const struct cookie_census *census) {
    for (size_t level = 63; level >= MUCH; level--)
        if (!list_is_empty(&census->levels[level]))
            return list_entry(census->levels[level].next, struct cookie_origin, in_level);
    return NULL;
}

static struct cookie_member *first_of_all(const struct cookie_census *census) {
    bool takes_fresh = census->fresh_count > census->max / FRESH_SHARE ||
                       census->fresh_bytes > census->max_bytes / FRESH_SHARE ||
                       list_is_empty(&census->used);
    const struct cookie_origin *origin = takes_fresh ? NULL : greatest(census);
    if (origin)
        return first_of(origin);
    return cookie_census_first(takes_fresh ? &census->fresh : &census->used);
}

struct cookie_member *cookie_census_surplus(const struct cookie_census *census, uint64_t key) {
    const struct cookie_origin *origin =
        key ? idmap_find(&census->origins, mixed(census, key)) : NULL;
    if (origin && origin->count >= share(census))
        return first_of(origin);
    return census->count < census->max ? NULL : first_of_all(census);
}

struct cookie_member *cookie_census_excess(const struct cookie_census *census,
                                           struct cookie_member *member) {
    const struct cookie_origin *origin = member->origin;
    struct cookie_member *first = member;
    if (origin && origin->bytes > census->max_bytes / 2)
        first = first_of(origin);
    if (first == member && census->bytes > census->max_bytes)
        first = first_of_all(census);
    if (first == member && census->bytes > census->max_bytes)
        first = cookie_census_first(&census->used); /* it is the only new one */
    return first == member ? NULL : first;
}

void cookie_census_resize(struct cookie_census *census, struct cookie_member *member,
                          size_t bytes) {
    census->bytes += bytes - member->bytes;
    if (!member->came_back)
        census->fresh_bytes += bytes - member->bytes;
    if (member->origin) {
        member->origin->bytes += bytes - member->bytes;
        weigh(census, member->origin);
    }
    member->bytes = bytes;
}

bool cookie_census_is_of(const struct cookie_census *census, const struct cookie_member *member,
                         uint64_t key) {
    return member->origin && member->origin->key == mixed(census, key);
}

int cookie_census_enter(struct cookie_census *census, struct cookie_member *member,
                        uint64_t key) {
    struct cookie_origin *origin = NULL;
    if (key && !(origin = origin_of(census, mixed(census, key))))
        return -ENOMEM;
    *member = (struct cookie_member){.origin = origin};
    list_init(&member->in_origin);
    list_append(&census->fresh, &member->in_all);
    census->count++;
    census->fresh_count++;
    if (origin) {
        list_append(&origin->fresh, &member->in_origin);
        origin->count++;
        weigh(census, origin);
    }
    return 0;
}

void cookie_census_use(struct cookie_census *census, struct cookie_member *member) {
    list_remove(&member->in_all);
    list_remove(&member->in_origin);
    list_append(&census->used, &member->in_all);
    if (member->origin)
        list_append(&member->origin->used, &member->in_origin);
    if (!member->came_back) {
        census->fresh_count--;
        census->fresh_bytes -= member->bytes;
    }
    member->came_back = true;
}

void cookie_census_leave(struct cookie_census *census, struct cookie_member *member) {
    struct cookie_origin *origin = member->origin;
    cookie_census_resize(census, member, 0);
    list_remove(&member->in_all);
    list_remove(&member->in_origin);
    census->count--;
    if (!member->came_back)
        census->fresh_count--;
    if (!origin)
        return;
    origin->count--;
    weigh(census, origin);
    if (origin->count > 0)
        return;
    list_remove(&origin->in_level);
    free(idmap_take(&census->origins, origin->key));
}
