/* SPDX-License-Identifier: MIT
 *
 * Where a datagram was sent to, for the answer to come from there: a socket of all addresses
 * would else answer from the one that the route prefers. Read from and put into a message's
 * ancillary data; called by udp.c.
 */
#ifndef CREWMAN_LOCAL_END_H
#define CREWMAN_LOCAL_END_H

#include <netinet/in.h>
#include <sys/socket.h>

struct local_end {
    sa_family_t family; /* AF_UNSPEC: not known */
    union {
        struct in_addr in;
        struct in6_pktinfo in6;
    };
};

union ancillary {
    struct cmsghdr head;
    char space[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct in_pktinfo))];
};

/* What the message came with. */
void local_end_read(struct msghdr *message, struct local_end *out_end);

/* `message` leaves from there; `control` is kept by the caller until it is sent. */
void local_end_put(struct msghdr *message, union ancillary *control,
                   const struct local_end *end);

#endif
