/* SPDX-License-Identifier: MIT
 *
 * The PROXY protocol, versions 1 and 2, as a receiver: the line or block that a load balancer
 * puts in front of a connection. It must be there, and first, when it is expected.
 */
#ifndef CREWMAN_PROXY_PROTOCOL_H
#define CREWMAN_PROXY_PROTOCOL_H

#include "forwarded.h"

/* Version 2 with its addresses and extensions; a longer one is refused. */
#define PROXY_PROTOCOL_MAX 4096u

struct proxy_protocol {
    bool has_addresses; /* false: LOCAL or UNKNOWN: the connection's own addresses count */
    struct forwarded_address source, destination;
};

/* The bytes that it takes; 0: need more, `data` must begin with the same bytes next time; -1:
 * this is no PROXY protocol, close. */
int proxy_protocol_parse(const char *data, size_t len, struct proxy_protocol *out_proxy);

#endif
