/* SPDX-License-Identifier: MIT
 *
 * See peers.h.
 */
#include "peers.h"

#include <stddef.h>
#include <stdlib.h>

struct peer {
    uint64_t key;
    uint32_t count;
};

void peers_init(struct peers *peers, uint64_t seed) {
    idmap_init(&peers->counts, offsetof(struct peer, key));
    peers->seed = seed;
}

void peers_done(struct peers *peers) {
    for (size_t i = 0; i < peers->counts.capacity; i++)
        free(peers->counts.entries[i]);
    idmap_done(&peers->counts);
}

static struct peer *add(struct peers *peers, uint64_t key) {
    struct peer *peer = malloc(sizeof(*peer));
    if (!peer)
        return NULL;
    *peer = (struct peer){.key = key};
    if (idmap_put(&peers->counts, peer) == 0)
        return peer;
    free(peer);
    return NULL;
}

bool peers_enter(struct peers *peers, const struct address *address, uint32_t limit) {
    uint64_t key = address_hash(address, peers->seed);
    if (key == 0)
        return true;
    struct peer *peer = idmap_find(&peers->counts, key);
    if (peer ? peer->count >= limit : limit == 0)
        return false;
    if (!peer)
        peer = add(peers, key);
    if (peer)
        peer->count++;
    return peer != NULL;
}

uint32_t peers_count(const struct peers *peers, const struct address *address) {
    struct peer *peer = idmap_find(&peers->counts, address_hash(address, peers->seed));
    return peer ? peer->count : 0;
}

void peers_leave(struct peers *peers, const struct address *address) {
    struct peer *peer = idmap_find(&peers->counts, address_hash(address, peers->seed));
    if (peer && --peer->count == 0)
        free(idmap_take(&peers->counts, peer->key));
}
