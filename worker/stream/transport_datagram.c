/* SPDX-License-Identifier: MIT
 *
 * The transport of a udp peer: each write is one datagram to it, from the address that it has
 * sent to, through the socket that all peers share. Never reads, and never closes the socket:
 * that is udp.c.
 */
#include <errno.h>
#include <sys/socket.h>

#include "conn.h"
#include "local_end.h"
#include "service.h"
#include "udp.h"
#include "udp_conn.h"

static int error_of(int error) {
    switch (error) {
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
        return CREW_EFULL;
    case EMSGSIZE:
        return CREW_ETOOBIG;
    default:
        return -error;
    }
}

static struct udp *udp_of(const struct crew_conn *conn) {
    return &service_of(conn)->udp;
}

static ssize_t write_datagram(struct crew_conn *conn, const struct iovec *parts, int count,
                              bool has_more) {
    struct udp_conn *peer = udp_conn_of(conn);
    union ancillary control;
    (void)has_more;
    struct msghdr message = {.msg_name = &peer->to,
                             .msg_namelen = peer->to_len,
                             .msg_iov = (struct iovec *)(uintptr_t)parts,
                             .msg_iovlen = (size_t)count};
    if (peer->from.family != AF_UNSPEC)
        local_end_put(&message, &control, &peer->from);
    ssize_t sent;
    do
        sent = sendmsg(udp_of(conn)->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? error_of(errno) : sent;
}

static void local(const struct crew_conn *conn, struct crew_addr *out_addr) {
    const struct local_end *from = &udp_conn_of(conn)->from;
    union inet_address bound = {0};
    socklen_t len = sizeof(bound);
    *out_addr = (struct crew_addr){0};
    if (getsockname(udp_of(conn)->fd, &bound.any, &len) != 0)
        return;
    /* The port is the socket's, and so is the address unless the peer's datagram named one. */
    if (from->family == AF_INET) {
        bound.in = (struct sockaddr_in){
            .sin_family = AF_INET, .sin_port = bound.in.sin_port, .sin_addr = from->in};
        len = sizeof(bound.in);
    } else if (from->family == AF_INET6) {
        bound.in6.sin6_addr = from->in6.ipi6_addr;
    }
    address_show_sockaddr(&bound.any, len, out_addr);
}

static int start(struct crew_conn *conn) {
    (void)conn;
    return 1;
}

/* Datagrams come through the socket that all peers share. */
static ssize_t read_nothing(struct crew_conn *conn, char *room, size_t size) {
    (void)conn;
    (void)room;
    (void)size;
    return -EAGAIN;
}

static ssize_t send_no_file(struct crew_conn *conn, int fd, uint64_t offset, size_t len) {
    (void)conn;
    (void)fd;
    (void)offset;
    (void)len;
    return CREW_ENOTSUP;
}

static int interest(struct crew_conn *conn, int before, int wanted) {
    (void)conn;
    (void)before;
    (void)wanted;
    return 0;
}

static int64_t unsent(const struct crew_conn *conn) {
    (void)conn;
    return 0;
}

static bool has_unread(const struct crew_conn *conn) {
    (void)conn;
    return false;
}

static bool is_proven(const struct crew_conn *conn) {
    return udp_peers_is_proven(&udp_conn_of(conn)->peer);
}

static void prove(struct crew_conn *conn) {
    udp_peers_prove(&udp_conn_of(conn)->peer);
}

static void close_peer(struct crew_conn *conn) {
    udp_peers_remove(&udp_of(conn)->peers, &udp_conn_of(conn)->peer);
}

const struct transport transport_datagram = {
    .name = "datagram",
    .conn_size = sizeof(struct udp_conn),
    .keeps_boundaries = true,
    .start = start,
    .read = read_nothing,
    .write = write_datagram,
    .send_file = send_no_file,
    .interest = interest,
    .unsent = unsent,
    .has_unread = has_unread,
    .is_proven = is_proven,
    .prove = prove,
    .close = close_peer,
    .local = local,
};
