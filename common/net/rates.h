/* SPDX-License-Identifier: MIT
 *
 * How often each client address did something in this second, for the limits of
 * handshakes_per_address and requests_per_address; an IPv6 address counts as its /64. A table
 * of a fixed size, however many addresses come: who is pushed out of it begins anew. So nobody
 * is refused for what others do, and a flood of addresses only makes it lenient. Pure: the
 * second is passed in.
 */
#ifndef CREWMAN_RATES_H
#define CREWMAN_RATES_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"

struct rate;

struct rates {
    struct rate *entries; /* NULL: nothing is counted */
    uint64_t seed;        /* so that nobody can choose addresses that meet */
};

/* Without a table, which only counting needs. */
void rates_init(struct rates *rates, uint64_t seed);
void rates_done(struct rates *rates);

/* Get the table. 0 or CREW_ENOMEM. */
int rates_start(struct rates *rates);

/* Once more in this second: false beyond `limit`. Always true without a table, and for who has
 * no address. */
bool rates_pass(struct rates *rates, const struct address *address, uint32_t limit,
                uint32_t second);

#endif
