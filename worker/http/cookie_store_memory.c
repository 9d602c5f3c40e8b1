/* SPDX-License-Identifier: MIT
 *
 * Cookie sessions in the memory of this worker: other workers do not see them, and they end
 * with it. At most session.max_sessions; one more ends the one that was not used for longest.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "cookie_store.h"
#include "crewman.h"

#define SWEEP_MAX 1000 /* sessions in a turn */

struct kept {
    uint64_t key; /* first: see cookie_store_open() */
    char id[COOKIE_ID_LEN];
    struct list by_use;
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
    list_remove(&kept->by_use);
    json_decref(kept->data);
    free(kept);
}

static struct kept *oldest(const struct cookie_store *store) {
    return list_is_empty(&store->by_use) ? NULL
                                         : list_entry(store->by_use.next, struct kept, by_use);
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
    list_remove(&kept->by_use);
    list_append(&store->by_use, &kept->by_use);
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

static int create(struct cookie_store *store, const char *id, const json_t *data) {
    struct kept *other = idmap_find(&store->sessions, key_of(id));
    if (other) /* has expired, or its id begins as this one does */
        drop(store, other);
    while (store->sessions.count >= store->config->max_sessions)
        drop(store, oldest(store));
    struct kept *kept = malloc(sizeof(*kept));
    json_t *copy = json_copy((json_t *)(uintptr_t)data);
    if (kept && copy) {
        *kept = (struct kept){.key = key_of(id), .used_ms = now_ms(store), .data = copy};
        memcpy(kept->id, id, COOKIE_ID_LEN);
        if (idmap_put(&store->sessions, kept) == 0) {
            list_append(&store->by_use, &kept->by_use);
            return 0;
        }
    }
    json_decref(copy);
    free(kept);
    return CREW_ENOMEM;
}

/* *out_data is what the session is with these changes. */
static int changed(const struct cookie_store *store, const struct kept *kept,
                   const struct cookie_changes *changes, json_t **out_data) {
    json_t *copy = json_copy(kept->data);
    int error = copy ? cookie_store_apply(store, changes, copy) : CREW_ENOMEM;
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
    json_decref(kept->data);
    kept->data = data;
    use(store, kept);
    return 0;
}

static int move(struct cookie_store *store, const char *id, const char *new_id,
                const struct cookie_changes *changes) {
    struct kept *kept = find(store, id);
    json_t *data;
    int error = kept ? changed(store, kept, changes, &data) : CREW_ENOENT;
    if (error)
        return error;
    use(store, kept); /* so that making room does not end it */
    error = create(store, new_id, data);
    json_decref(data);
    kept = error ? NULL : find(store, id);
    if (kept)
        drop(store, kept);
    return error;
}

static int forget(struct cookie_store *store, const char *id) {
    struct kept *kept = find(store, id);
    if (kept)
        drop(store, kept);
    return kept ? 0 : CREW_ENOENT;
}

static void sweep(struct cookie_store *store) {
    struct kept *kept;
    for (int i = 0; i < SWEEP_MAX && (kept = oldest(store)) && has_expired(store, kept); i++)
        drop(store, kept);
}

static void close_all(struct cookie_store *store) {
    struct kept *kept;
    while ((kept = oldest(store)))
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
