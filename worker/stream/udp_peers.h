/* SPDX-License-Identifier: MIT
 *
 * The peers of a udp service that have a session, found by address and port. Peers choose both,
 * so where they lie depends on a secret seed. A source address is easily forged: a peer is
 * proven when it has answered or the app vouches for it, and until then it is on a list, oldest
 * first, of those that go first; those of one client can be found apart. Does not own them;
 * called by udp.c and transport_datagram.c.
 */
#ifndef CREWMAN_UDP_PEERS_H
#define CREWMAN_UDP_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "list.h"

/* Embedded in what is kept for a peer. */
struct udp_peer {
    struct address address; /* the key */
    struct udp_peer *next;  /* in the same chain */
    struct list in_unproven;
    struct list in_client; /* of those that are not proven */
};

struct udp_peers {
    struct udp_peer **chains;
    struct list *clients; /* as many: of struct udp_peer.in_client, oldest first */
    size_t capacity;      /* 0 or a power of two */
    size_t count;
    uint64_t seed;
    struct list unproven; /* of struct udp_peer.in_unproven, oldest first */
};

void udp_peers_init(struct udp_peers *peers, uint64_t seed);
void udp_peers_done(struct udp_peers *peers);

/* NULL when it is not there. */
struct udp_peer *udp_peers_find(const struct udp_peers *peers, const struct address *address);

/* `peer->address` is set and not in there yet; it starts unproven. 0 or -ENOMEM. */
int udp_peers_put(struct udp_peers *peers, struct udp_peer *peer);

/* It has answered. Harmless twice. */
void udp_peers_prove(struct udp_peer *peer);
bool udp_peers_is_proven(const struct udp_peer *peer);

/* The oldest that is not proven, and the oldest of those that count as one client with
 * `address`, whoever sent it. NULL: all are. */
struct udp_peer *udp_peers_oldest(const struct udp_peers *peers);
struct udp_peer *udp_peers_rival(const struct udp_peers *peers, const struct address *address);

/* Harmless when it is not in there. */
void udp_peers_remove(struct udp_peers *peers, struct udp_peer *peer);

#endif
