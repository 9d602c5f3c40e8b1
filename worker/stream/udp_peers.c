/* SPDX-License-Identifier: MIT
 *
 * See udp_peers.h. Chains in a table that doubles when it holds as many as it has places; it
 * does not shrink: max_connections bounds it.
 */
#include "udp_peers.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_FIRST 64u

void udp_peers_init(struct udp_peers *peers, uint64_t seed) {
    *peers = (struct udp_peers){.seed = seed};
    list_init(&peers->unproven);
}

void udp_peers_done(struct udp_peers *peers) {
    free(peers->chains);
    free(peers->clients);
    *peers = (struct udp_peers){0};
}

static uint64_t mix(uint64_t x) {
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    return x ^ (x >> 32);
}

static uint64_t hash(uint64_t seed, const struct address *address) {
    uint64_t parts[2];
    memcpy(parts, address->bytes, sizeof(parts));
    uint64_t key = mix(seed ^ address->port ^ (uint64_t)address->family << 16);
    return mix(mix(key ^ parts[0]) ^ seed ^ parts[1]);
}

static bool is_same(const struct address *a, const struct address *b) {
    return a->port == b->port && a->family == b->family &&
           memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static struct udp_peer **chain_of(const struct udp_peers *peers,
                                  const struct address *address) {
    return &peers->chains[hash(peers->seed, address) & (peers->capacity - 1)];
}

struct udp_peer *udp_peers_find(const struct udp_peers *peers, const struct address *address) {
    if (peers->count == 0)
        return NULL;
    struct udp_peer *peer = *chain_of(peers, address);
    while (peer && !is_same(&peer->address, address))
        peer = peer->next;
    return peer;
}

static void link_peer(struct udp_peers *peers, struct udp_peer *peer) {
    struct udp_peer **chain = chain_of(peers, &peer->address);
    peer->next = *chain;
    *chain = peer;
}

static struct list *client_of(const struct udp_peers *peers, const struct address *address) {
    return &peers->clients[address_hash(address, peers->seed) & (peers->capacity - 1)];
}

static void link_unproven(struct udp_peers *peers) {
    struct list *node;
    for (size_t i = 0; i < peers->capacity; i++)
        list_init(&peers->clients[i]);
    list_each (node, &peers->unproven) {
        struct udp_peer *peer = list_entry(node, struct udp_peer, in_unproven);
        list_append(client_of(peers, &peer->address), &peer->in_client);
    }
}

static void relink(struct udp_peers *peers, const struct udp_peers *old) {
    struct list *node;
    list_each (node, &peers->unproven)
        list_remove(&list_entry(node, struct udp_peer, in_unproven)->in_client);
    link_unproven(peers);
    for (size_t i = 0; i < old->capacity; i++) {
        for (struct udp_peer *peer = old->chains[i], *next; peer; peer = next) {
            next = peer->next;
            link_peer(peers, peer);
        }
    }
}

static int grow(struct udp_peers *peers) {
    struct udp_peers old = *peers;
    size_t capacity = old.capacity > 0 ? old.capacity * 2 : CAPACITY_FIRST;
    struct udp_peer **chains = calloc(capacity, sizeof(struct udp_peer *));
    struct list *clients = calloc(capacity, sizeof(*clients));
    if (!chains || !clients) {
        free(chains);
        free(clients);
        return -ENOMEM;
    }
    peers->chains = chains;
    peers->clients = clients;
    peers->capacity = capacity;
    relink(peers, &old);
    free(old.chains);
    free(old.clients);
    return 0;
}

int udp_peers_put(struct udp_peers *peers, struct udp_peer *peer) {
    if (peers->count >= peers->capacity && grow(peers) != 0)
        return -ENOMEM;
    link_peer(peers, peer);
    list_append(&peers->unproven, &peer->in_unproven);
    list_append(client_of(peers, &peer->address), &peer->in_client);
    peers->count++;
    return 0;
}

void udp_peers_remove(struct udp_peers *peers, struct udp_peer *peer) {
    if (peers->count == 0)
        return;
    struct udp_peer **at = chain_of(peers, &peer->address);
    while (*at && *at != peer)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = peer->next;
    peer->next = NULL;
    udp_peers_prove(peer);
    peers->count--;
}

void udp_peers_prove(struct udp_peer *peer) {
    list_remove(&peer->in_unproven);
    list_remove(&peer->in_client);
}

bool udp_peers_is_proven(const struct udp_peer *peer) {
    return !list_is_linked(&peer->in_unproven);
}

struct udp_peer *udp_peers_oldest(const struct udp_peers *peers) {
    struct list *node = peers->unproven.next;
    return node == &peers->unproven ? NULL : list_entry(node, struct udp_peer, in_unproven);
}

struct udp_peer *udp_peers_rival(const struct udp_peers *peers, const struct address *address) {
    struct list *node;
    if (peers->count == 0)
        return NULL;
    list_each (node, client_of(peers, address)) {
        struct udp_peer *peer = list_entry(node, struct udp_peer, in_client);
        if (address_key(&peer->address) == address_key(address))
            return peer;
    }
    return NULL;
}
