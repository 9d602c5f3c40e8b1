/* SPDX-License-Identifier: MIT
 *
 * A peer's address in 20 bytes instead of the 128 of a sockaddr_storage, so that a connection
 * can keep it. Pure.
 */
#ifndef CREWMAN_ADDRESS_H
#define CREWMAN_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "crewman.h"

struct address {
    uint8_t family; /* enum crew_addr_family; an IPv4-mapped IPv6 address becomes IPv4 */
    uint16_t port;
    uint8_t bytes[16]; /* network order; 4 of them for IPv4 */
};

/* An IPv4-mapped IPv6 address becomes the IPv4 one. Answers whether it is one; nothing happens
 * to any other. */
bool address_unmap(struct address *address);

/* A family that we do not know gives CREW_ADDR_NONE. */
void address_set(struct address *address, const struct sockaddr *from, socklen_t len);

/* What counts as one client: an IPv4 address, or the /64 network of an IPv6 one. No two of
 * these have the same key; 0: it has no address, as the peer of a unix socket. */
uint64_t address_key(const struct address *address);

/* The same behind a bijection that a secret `seed` chooses: nobody can foresee its place in a
 * table. 0 for no address, and for no other. */
uint64_t address_hash(const struct address *address, uint64_t seed);

void address_show(const struct address *address, struct crew_addr *out_addr);

/* Of a local end, which may have a unix path. */
void address_show_sockaddr(const struct sockaddr *from, socklen_t len,
                           struct crew_addr *out_addr);

#endif
