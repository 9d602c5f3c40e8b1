/* SPDX-License-Identifier: MIT
 *
 * Cookie sessions in the memory of this worker: other workers do not see them, and they end
 * with it. At most session.max_sessions, and a share of limits.memory; cookie_census.h says
 * which one goes for one more.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "cookie_store.h"
#include "crewman.h"

#define SWEEP_MAX  1000u /* sessions in a turn, of each list */
#define OWN_BYTES  640u  /* about what one without values takes */
#define PAIR_BYTES 192u  /* and each value beside its text */

struct kept {
    uint64_t key; /* first: see cookie_store_open() */
    char id[COOKIE_ID_LEN];
    struct cookie_member member;
    uint64_t used_ms;
    json_t *data;
};

/* Random as the ids are, their first eight characters (48 bits) are as good as a hash; who
 * differs only behind them is told apart by the whole. */
static uint64_t key_of(const char *id) {
    uint64_t key;
    memcpy(&key, id, sizeof(key));
    key ^= key >> 32;
    key *= 0x9e3779b97f4a7c15u;
    return key ? key : 1;
}

static uint64_t now_ms(const struct cookie_store *store) {
    return uv_now(store->sweeper.loop);
}

static void drop(struct cookie_store *store, struct kept *kept) {
    idmap_take(&store->sessions, kept->key);
    cookie_census_leave(&store->census, &kept->member);
    json_decref(kept->data);
    free(kept);
}

static struct kept *of_member(struct cookie_member *member) {
    return member ? list_entry(member, struct kept, member) : NULL;
}

static struct kept *oldest(const struct list *list) {
    return of_member(cookie_census_first(list));
}

static bool has_expired(const struct cookie_store *store, const struct kept *kept) {
    return now_ms(store) - kept->used_ms > store->config->lifetime_ms;
}

static struct kept *find(struct cookie_store *store, const char *id) {
    struct kept *kept = idmap_find(&store->sessions, key_of(id));
    if (!kept || memcmp(kept->id, id, COOKIE_ID_LEN) != 0 || has_expired(store, kept))
        return NULL;
    return kept;
}

static void use(struct cookie_store *store, struct kept *kept) {
    kept->used_ms = now_ms(store);
    cookie_census_use(&store->census, &kept->member);
}

static int load(struct cookie_store *store, const char *id, json_t **out_data) {
    struct kept *kept = find(store, id);
    if (!kept)
        return CREW_ENOENT;
    json_t *copy = json_copy(kept->data);
    if (!copy)
        return CREW_ENOMEM;
    use(store, kept);
    *out_data = copy;
    return 0;
}

static size_t bytes_of(json_t *data) {
    return OWN_BYTES + json_object_size(data) * PAIR_BYTES + cookie_changes_size(data);
}

/* What it has now; others may have to go for that. */
static void take_data(struct cookie_store *store, struct kept *kept, json_t *data) {
    struct kept *excess;
    json_decref(kept->data);
    kept->data = data;
    cookie_census_resize(&store->census, &kept->member, bytes_of(data));
    while ((excess = of_member(cookie_census_excess(&store->census, &kept->member))))
        drop(store, excess);
}

/* Under this id; whoever has one that begins alike, or has expired, goes. */
static int put(struct cookie_store *store, struct kept *kept, const char *id) {
    struct kept *other = idmap_find(&store->sessions, key_of(id));
    if (other)
        drop(store, other);
    kept->key = key_of(id);
    memcpy(kept->id, id, COOKIE_ID_LEN);
    return idmap_put(&store->sessions, kept) == 0 ? 0 : CREW_ENOMEM;
}

static int create(struct cookie_store *store, uint64_t client, const char *id,
                  const json_t *data) {
    struct kept *surplus;
    while ((surplus = of_member(cookie_census_surplus(&store->census, client))))
        drop(store, surplus);
    struct kept *kept = calloc(1, sizeof(*kept));
    json_t *copy = json_copy((json_t *)(uintptr_t)data);
    if (kept && copy && put(store, kept, id) == 0) {
        kept->used_ms = now_ms(store);
        if (cookie_census_enter(&store->census, &kept->member, client) == 0) {
            take_data(store, kept, copy);
            return 0;
        }
        idmap_take(&store->sessions, kept->key);
    }
    json_decref(copy);
    free(kept);
    return CREW_ENOMEM;
}

/* *out_data is what the session is with these changes. */
static int changed(const struct cookie_store *store, const struct kept *kept,
                   const struct cookie_changes *changes, json_t **out_data) {
    json_t *copy = json_copy(kept->data);
    int error = copy ? cookie_changes_apply(changes, copy) : CREW_ENOMEM;
    if (!error && cookie_changes_size(copy) > store->config->max_size)
        error = CREW_ETOOBIG;
    if (error)
        json_decref(copy);
    else
        *out_data = copy;
    return error;
}

static int change(struct cookie_store *store, const char *id,
                  const struct cookie_changes *changes) {
    struct kept *kept = find(store, id);
    json_t *data;
    int error = kept ? changed(store, kept, changes, &data) : CREW_ENOENT;
    if (error)
        return error;
    use(store, kept);
    take_data(store, kept, data);
    return 0;
}

static int move(struct cookie_store *store, const char *id, const char *new_id,
                const struct cookie_changes *changes) {
    struct kept *kept = find(store, id);
    json_t *data;
    int error = kept ? changed(store, kept, changes, &data) : CREW_ENOENT;
    if (error)
        return error;
    idmap_take(&store->sessions, kept->key);
    error = put(store, kept, new_id);
    if (!error) {
        use(store, kept); /* it came back to be renamed */
        take_data(store, kept, data);
        return 0;
    }
    json_decref(data);
    kept->key = 0; /* in no table */
    drop(store, kept);
    return error;
}

static int forget(struct cookie_store *store, const char *id) {
    struct kept *kept = find(store, id);
    if (kept)
        drop(store, kept);
    return kept ? 0 : CREW_ENOENT;
}

static size_t sweep_list(struct cookie_store *store, const struct list *list) {
    struct kept *kept;
    size_t count = 0;
    while (count < SWEEP_MAX && (kept = oldest(list)) && has_expired(store, kept)) {
        drop(store, kept);
        count++;
    }
    return count;
}

static bool sweep(struct cookie_store *store) {
    size_t fresh = sweep_list(store, &store->census.fresh);
    size_t used = sweep_list(store, &store->census.used);
    return fresh == SWEEP_MAX || used == SWEEP_MAX;
}

static void close_all(struct cookie_store *store) {
    struct kept *kept;
    while ((kept = oldest(&store->census.fresh)) || (kept = oldest(&store->census.used)))
        drop(store, kept);
    idmap_done(&store->sessions);
}

const struct cookie_store_ops cookie_store_memory = {.load = load,
                                                     .create = create,
                                                     .change = change,
                                                     .move = move,
                                                     .remove = forget,
                                                     .sweep = sweep,
                                                     .close = close_all};
