/* SPDX-License-Identifier: MIT
 *
 * The connection that stands for a peer of a udp service, with where its answers go. Made and
 * found by udp.c; transport_datagram.c sends from it.
 */
#ifndef CREWMAN_UDP_CONN_H
#define CREWMAN_UDP_CONN_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "conn.h"
#include "local_end.h"
#include "udp_peers.h"

union inet_address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

struct udp_conn {
    struct crew_conn conn; /* first: both are one allocation */
    struct udp_peer peer;
    union inet_address to;
    socklen_t to_len;
    struct local_end from;
};

static inline struct udp_conn *udp_conn_of(const struct crew_conn *conn) {
    return (struct udp_conn *)(uintptr_t)conn;
}

static inline struct udp_conn *udp_conn_of_peer(struct udp_peer *peer) {
    return (struct udp_conn *)(void *)((char *)peer - offsetof(struct udp_conn, peer));
}

#endif
