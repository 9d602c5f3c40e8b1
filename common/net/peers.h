/* SPDX-License-Identifier: MIT
 *
 * How many connections each address has, for limits.max_connections_per_address; an IPv6
 * address counts as its /64. Holds an entry for each address that has a connection, so its
 * memory is bounded by the connections. Pure.
 */
#ifndef CREWMAN_PEERS_H
#define CREWMAN_PEERS_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "idmap.h"

struct peers {
    struct idmap counts; /* of struct peer, by the key of its address */
    uint64_t seed;       /* so that nobody can choose addresses that collide */
};

void peers_init(struct peers *peers, uint64_t seed);
void peers_done(struct peers *peers);

/* Count one more connection, unless the address has `limit` already (false) or memory is short
 * (false). Unix peers are always welcome. */
bool peers_enter(struct peers *peers, const struct address *address, uint32_t limit);

/* How many of this address are entered; 0 of a unix peer. */
uint32_t peers_count(const struct peers *peers, const struct address *address);

/* One that was entered has gone. */
void peers_leave(struct peers *peers, const struct address *address);

#endif
