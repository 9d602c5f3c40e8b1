/* SPDX-License-Identifier: MIT
 *
 * A list of networks ("192.0.2.0/24", "2001:db8::/32", or a single address), and whether an
 * address lies in one of them. Pure.
 */
#ifndef CREWMAN_NETWORKS_H
#define CREWMAN_NETWORKS_H

#include <stdbool.h>
#include <stddef.h>

#include "address.h"

struct network {
    struct address base; /* port 0 */
    unsigned bits;       /* 0 to 32, or to 128 */
};

struct networks {
    struct network *items;
    size_t count;
};

/* Parse `count` texts; an IPv4-mapped IPv6 network is that of IPv4, as addresses are.
 * CREW_EINVAL with a line for people about the first that is none; CREW_ENOMEM. */
int networks_init(struct networks *networks, char *const *texts, size_t count, char *out_why,
                  size_t size);
void networks_done(struct networks *networks);

/* A peer of a unix socket is on this machine: it is in every list that is not empty. */
bool networks_have(const struct networks *networks, const struct address *address);

#endif
