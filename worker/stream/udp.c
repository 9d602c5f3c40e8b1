/* SPDX-License-Identifier: MIT
 *
 * See udp.h.
 */
#include "udp.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "custom.h"
#include "worker.h"

#define DATAGRAM_MAX   65535u
#define BATCH          16u /* datagrams of one read */
#define BATCHES_A_TURN 4
/* Peers can be invented at will: without max_connections this bounds their memory. */
#define SESSIONS_DEFAULT 65536u

union inet_address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

/* Where a datagram was sent to, for the answer to come from there. */
struct local_end {
    sa_family_t family; /* AF_UNSPEC: not known */
    union {
        struct in_addr in;
        struct in6_pktinfo in6;
    };
};

struct udp_conn {
    struct crew_conn conn; /* first: both are one allocation */
    struct udp_peer peer;
    union inet_address to;
    socklen_t to_len;
    struct local_end from;
};

union ancillary {
    struct cmsghdr head;
    char space[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct in_pktinfo))];
};

struct udp_batch {
    struct mmsghdr messages[BATCH];
    struct iovec rooms[BATCH];
    union inet_address from[BATCH];
    union ancillary control[BATCH];
    char data[]; /* BATCH times room + 1, see session_udp.c */
};

static struct udp_conn *of_conn(const struct crew_conn *conn) {
    return (struct udp_conn *)(uintptr_t)conn;
}

static struct udp_conn *of_peer(struct udp_peer *peer) {
    return (struct udp_conn *)(void *)((char *)peer - offsetof(struct udp_conn, peer));
}

static void put_local(struct msghdr *message, union ancillary *control,
                      const struct local_end *from) {
    bool is_in6 = from->family == AF_INET6;
    struct in_pktinfo in = {.ipi_spec_dst = from->in};
    size_t len = is_in6 ? sizeof(from->in6) : sizeof(in);
    memset(control, 0, sizeof(*control));
    message->msg_control = control;
    message->msg_controllen = CMSG_SPACE(len);
    struct cmsghdr *head = CMSG_FIRSTHDR(message);
    head->cmsg_level = is_in6 ? IPPROTO_IPV6 : IPPROTO_IP;
    head->cmsg_type = is_in6 ? IPV6_PKTINFO : IP_PKTINFO;
    head->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(head), is_in6 ? (const void *)&from->in6 : &in, len);
}

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

static ssize_t transmit(struct udp *udp, struct udp_conn *peer, const struct iovec *parts,
                        int count) {
    union ancillary control;
    struct msghdr message = {.msg_name = &peer->to,
                             .msg_namelen = peer->to_len,
                             .msg_iov = (struct iovec *)(uintptr_t)parts,
                             .msg_iovlen = (size_t)count};
    if (peer->from.family != AF_UNSPEC)
        put_local(&message, &control, &peer->from);
    ssize_t sent;
    do
        sent = sendmsg(udp->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? error_of(errno) : sent;
}

int udp_write(struct crew_conn *conn, const struct iovec *parts, int count) {
    struct conns *conns = &conn->worker->conns;
    bool is_over = conn->id != 0 && conn->state > CONN_OPEN;
    ssize_t sent =
        is_over ? CREW_ECLOSED : transmit(&conn->worker->udp, of_conn(conn), parts, count);
    if (sent < 0) {
        conns->totals.send_failures++;
        return (int)sent;
    }
    conn->bytes_out += (uint64_t)sent;
    conns->totals.bytes_out += (uint64_t)sent;
    conn->messages_out++;
    conns->totals.messages_out++;
    return CREW_SENT;
}

void udp_local(const struct crew_conn *conn, struct crew_addr *out_addr) {
    const struct local_end *from = &of_conn(conn)->from;
    union inet_address bound = {0};
    socklen_t len = sizeof(bound);
    *out_addr = (struct crew_addr){0};
    if (getsockname(conn->worker->udp.fd, &bound.any, &len) != 0)
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

static void read_local(struct msghdr *message, struct local_end *from) {
    *from = (struct local_end){.family = AF_UNSPEC};
    for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head;
         head = CMSG_NXTHDR(message, head)) {
        if (head->cmsg_level == IPPROTO_IP && head->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(head), sizeof(info));
            from->family = AF_INET;
            from->in = info.ipi_spec_dst;
        } else if (head->cmsg_level == IPPROTO_IPV6 && head->cmsg_type == IPV6_PKTINFO) {
            memcpy(&from->in6, CMSG_DATA(head), sizeof(from->in6));
            /* Nothing can be sent from a multicast address. */
            from->family = IN6_IS_ADDR_MULTICAST(&from->in6.ipi6_addr) ? AF_UNSPEC : AF_INET6;
            if (!IN6_IS_ADDR_LINKLOCAL(&from->in6.ipi6_addr))
                from->in6.ipi6_ifindex = 0;
        }
    }
}

static bool has_room(struct worker *worker, const struct address *address) {
    uint32_t per_address = worker->plan.service.limits.max_connections_per_address;
    return worker->conns.count < worker->udp.limit &&
           (per_address == 0 || peers_enter(&worker->acceptor.peers, address, per_address));
}

static void forget_address(struct worker *worker, const struct address *address) {
    if (worker->plan.service.limits.max_connections_per_address > 0)
        peers_leave(&worker->acceptor.peers, address);
}

static struct udp_conn *begin_session(struct worker *worker, const struct address *address) {
    struct udp *udp = &worker->udp;
    struct udp_conn *peer = NULL;
    if (!has_room(worker, address)) {
        worker->conns.totals.refused++;
        return NULL;
    }
    peer = calloc(1, sizeof(*peer));
    if (peer) {
        peer->peer.address = *address;
        peer->conn.is_admitted = worker->plan.service.limits.max_connections_per_address > 0;
        if (udp_peers_put(&udp->peers, &peer->peer) == 0)
            return peer;
    }
    free(peer);
    worker->conns.totals.refused++;
    forget_address(worker, address);
    return NULL;
}

/* A peer that is new is announced once its way back is known. */
static struct udp_conn *session_of(struct worker *worker, const struct msghdr *message,
                                   bool *out_is_new) {
    struct address address;
    address_set(&address, message->msg_name, message->msg_namelen);
    struct udp_peer *found = udp_peers_find(&worker->udp.peers, &address);
    if (found && of_peer(found)->conn.state > CONN_OPEN) { /* closed in this turn */
        conns_settle(worker);
        found = udp_peers_find(&worker->udp.peers, &address);
    }
    *out_is_new = !found;
    return found ? of_peer(found) : begin_session(worker, &address);
}

static struct udp_conn *lend(struct worker *worker, const struct msghdr *message) {
    struct udp_conn *lent = worker->udp.lent;
    const struct crew_protocol *protocol = worker->app->protocol;
    struct custom *custom = lent->conn.protocol.custom;
    *lent = (struct udp_conn){0};
    conn_lend(worker, &lent->conn);
    address_set(&lent->conn.peer, message->msg_name, message->msg_namelen);
    if (custom) {
        lent->conn.protocol.custom = custom;
        memset(custom->state, 0, protocol->state_size);
    }
    return lent;
}

static void note(struct crew_conn *conn, size_t len) {
    struct liveness *lists = &conn->worker->reaper.lists;
    conn->bytes_in += len;
    conn->worker->conns.totals.bytes_in += len;
    if (conn->id != 0 && conn->state <= CONN_OPEN && !conn->is_paused)
        liveness_touch(lists, &conn->liveness);
}

static bool announce(struct udp_conn *peer, struct worker *worker) {
    struct address address = peer->peer.address;
    if (conn_open_datagram(worker, &peer->conn, &address) == 0)
        return true;
    udp_peers_remove(&worker->udp.peers, &peer->peer);
    forget_address(worker, &address);
    worker->conns.totals.refused++;
    free(peer);
    return false;
}

static void take(struct worker *worker, struct msghdr *message, char *data, size_t len) {
    bool is_new = false, is_session = worker->udp.has_sessions;
    if ((message->msg_flags & MSG_TRUNC) || len > worker->udp.room) {
        worker->conns.totals.limit_errors++;
        return;
    }
    struct udp_conn *peer =
        is_session ? session_of(worker, message, &is_new) : lend(worker, message);
    if (!peer)
        return;
    memcpy(&peer->to, message->msg_name, message->msg_namelen);
    peer->to_len = message->msg_namelen;
    read_local(message, &peer->from);
    if (is_new && !announce(peer, worker))
        return;
    note(&peer->conn, len);
    if (!is_session || conn_is_reading(&peer->conn))
        session_udp_take(&peer->conn, data, len);
    if (!is_session)
        crew_conn_set_data(&peer->conn, NULL, NULL);
}

static void prepare(struct udp *udp) {
    struct udp_batch *batch = udp->batch;
    for (size_t i = 0; i < BATCH; i++) {
        batch->rooms[i] =
            (struct iovec){.iov_base = batch->data + i * (udp->room + 1), .iov_len = udp->room};
        batch->messages[i].msg_hdr = (struct msghdr){.msg_name = &batch->from[i],
                                                     .msg_namelen = sizeof(batch->from[i]),
                                                     .msg_iov = &batch->rooms[i],
                                                     .msg_iovlen = 1,
                                                     .msg_control = &batch->control[i],
                                                     .msg_controllen = sizeof(union ancillary)};
    }
}

/* Answers whether there may be more. */
static bool read_batch(struct worker *worker) {
    struct udp *udp = &worker->udp;
    prepare(udp);
    int count = recvmmsg(udp->fd, udp->batch->messages, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++) {
        struct mmsghdr *message = &udp->batch->messages[i];
        take(worker, &message->msg_hdr, udp->batch->rooms[i].iov_base, message->msg_len);
    }
    return count == (int)BATCH;
}

static void on_readable(uv_poll_t *handle, int status, int events) {
    struct worker *worker = handle->data;
    (void)events;
    for (int i = 0; status >= 0 && i < BATCHES_A_TURN && worker->udp.is_running; i++)
        if (!read_batch(worker))
            return;
}

static void set_options(const struct udp *udp) {
    int on = 1;
    /* On a socket of the other family each fails, which does not matter. */
    (void)setsockopt(udp->fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
    (void)setsockopt(udp->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
}

static int allocate(struct worker *worker) {
    struct udp *udp = &worker->udp;
    const struct crew_protocol *protocol = worker->app->protocol;
    udp->batch = calloc(1, sizeof(*udp->batch) + BATCH * (udp->room + 1));
    udp->lent = calloc(1, sizeof(*udp->lent));
    if (!udp->batch || !udp->lent)
        return -ENOMEM;
    if (protocol && !(udp->lent->conn.protocol.custom = custom_new(protocol)))
        return -ENOMEM;
    return 0;
}

int udp_start(struct worker *worker) {
    struct udp *udp = &worker->udp;
    const struct config_service *service = &worker->plan.service;
    uint64_t seed = 0;
    if (RAND_bytes((unsigned char *)&seed, sizeof(seed)) != 1)
        return -EIO;
    udp->fd = worker->plan.listener_fd;
    udp->has_sessions = service->udp_session_timeout_ms > 0;
    udp->limit = service->limits.max_connections;
    if (udp->limit == 0)
        udp->limit = SESSIONS_DEFAULT;
    /* A framing holds each of its messages to the limit. */
    bool is_framed = service->listen.protocol != LISTEN_UDP;
    udp->room = is_framed || service->limits.max_message > DATAGRAM_MAX
                    ? DATAGRAM_MAX
                    : (size_t)service->limits.max_message;
    udp_peers_init(&udp->peers, seed);
    peers_init(&worker->acceptor.peers, ~seed);
    udp->is_open = true;
    int err = allocate(worker);
    if (!err)
        err = uv_poll_init(&worker->loop, &udp->poll, udp->fd);
    if (err)
        return err;
    set_options(udp);
    udp->poll.data = worker;
    udp->is_running = true;
    return uv_poll_start(&udp->poll, UV_READABLE, on_readable);
}

void udp_stop(struct worker *worker) {
    struct udp *udp = &worker->udp;
    if (!udp->is_running)
        return;
    udp->is_running = false;
    uv_close((uv_handle_t *)&udp->poll, NULL);
}

void udp_release(struct crew_conn *conn) {
    struct udp_conn *peer = of_conn(conn);
    udp_peers_remove(&conn->worker->udp.peers, &peer->peer);
    free(peer);
}

void udp_done(struct worker *worker) {
    struct udp *udp = &worker->udp;
    if (!udp->is_open)
        return;
    udp->is_open = false;
    close(udp->fd);
    if (udp->lent)
        custom_free(udp->lent->conn.protocol.custom);
    free(udp->lent);
    free(udp->batch);
    udp_peers_done(&udp->peers);
    peers_done(&worker->acceptor.peers);
}
