/* SPDX-License-Identifier: MIT
 *
 * See udp.h.
 */
#include "udp.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "conn_memory.h"
#include "conn_state.h"
#include "custom.h"
#include "log.h"
#include "service.h"
#include "shed.h"
#include "stream.h"
#include "udp_conn.h"
#include "worker.h"

#define DATAGRAM_MAX   65535u
#define BATCH          16u /* datagrams of one read */
#define BATCHES_A_TURN 4
/* Peers can be invented at will: without max_connections this bounds their memory. */
#define SESSIONS_DEFAULT 65536u

struct udp_batch {
    struct mmsghdr messages[BATCH];
    struct iovec rooms[BATCH];
    union inet_address from[BATCH];
    union ancillary control[BATCH];
    char data[]; /* BATCH times room + 1, see protocol_udp.c */
};

static void say_evicted(struct service *service) {
    struct conns *conns = &service->worker->conns;
    uint64_t count = news_add(&service->udp.evicted, conns_now(conns));
    conns->totals.evicted++;
    if (count > 0)
        log_warning("service \"%s\": peers not proven genuine, ended to make room for new "
                    "ones (limits.max_connections, limits.max_connections_per_address): "
                    "%" PRIu64,
                    service->config->name, count);
}

static void say_refused(struct service *service) {
    struct conns *conns = &service->worker->conns;
    uint64_t count = news_add(&service->udp.refused, conns_now(conns));
    conns->totals.refused++;
    if (count > 0)
        log_warning("service \"%s\": datagrams of new peers, dropped for want of room "
                    "(limits.max_connections, limits.max_connections_per_address): %" PRIu64,
                    service->config->name, count);
}

static bool evict(struct service *service, struct udp_peer *peer) {
    if (!peer)
        return false;
    say_evicted(service);
    conn_end(&udp_conn_of_peer(peer)->conn, CREW_CLOSE_LIMIT, 0);
    settle_now(&service->worker->settle);
    return true;
}

static bool make_room(struct service *service, const struct address *address) {
    uint32_t share = service->config->limits.max_connections_per_address;
    if (share > 0 && peers_count(&service->admission.peers, address) >= share &&
        !evict(service, udp_peers_rival(&service->udp.peers, address)))
        return false;
    return service->endpoint.count < service->udp.limit ||
           evict(service, udp_peers_oldest(&service->udp.peers));
}

static struct udp_conn *begin_session(struct service *service, const struct address *address) {
    struct udp *udp = &service->udp;
    struct udp_conn *peer = NULL;
    if (make_room(service, address))
        peer = conn_allocate(&service->endpoint);
    if (peer) {
        peer->peer.address = *address;
        if (udp_peers_put(&udp->peers, &peer->peer) == 0)
            return peer;
    }
    free(peer);
    say_refused(service);
    return NULL;
}

/* A peer that is new is announced once its way back is known. */
static struct udp_conn *session_of(struct service *service, const struct msghdr *message,
                                   bool *out_is_new) {
    struct address address;
    address_set(&address, message->msg_name, message->msg_namelen);
    struct udp_peer *found = udp_peers_find(&service->udp.peers, &address);
    if (found && udp_conn_of_peer(found)->conn.state > CONN_OPEN) { /* closed in this turn */
        settle_now(&service->worker->settle);
        found = udp_peers_find(&service->udp.peers, &address);
    }
    *out_is_new = !found;
    return found ? udp_conn_of_peer(found) : begin_session(service, &address);
}

static struct udp_conn *lend(struct service *service, const struct msghdr *message) {
    struct udp_conn *lent = service->udp.lent;
    const struct crew_protocol *protocol = service->app.protocol;
    struct custom *custom = lent->conn.as.custom;
    struct address address;
    *lent = (struct udp_conn){0};
    address_set(&address, message->msg_name, message->msg_namelen);
    conn_lend(&lent->conn, &service->endpoint, &address);
    if (service->app.state_size > 0)
        memset(conn_app_state(&lent->conn), 0, service->app.state_size);
    if (custom) {
        lent->conn.as.custom = custom;
        memset(custom->state, 0, protocol->state_size);
    }
    return lent;
}

static void note(struct crew_conn *conn, size_t len) {
    struct liveness *lists = &conn->endpoint->reaper.lists;
    conn->bytes_in += len;
    conns_of(conn)->totals.bytes_in += len;
    if (conn->id != 0 && conn->state <= CONN_OPEN && !conn->is_paused)
        liveness_touch(lists, &conn->liveness);
}

/* Not before it was sent something: a datagram more is no answer. And none is where clients
 * have to log in (auth_timeout): who invents addresses can send two datagrams from each. */
static void note_answer(struct udp_conn *peer) {
    if (peer->conn.bytes_out > 0 && !conn_guest(&peer->conn))
        udp_peers_prove(&peer->peer);
}

static bool announce(struct udp_conn *peer, struct service *service) {
    struct address address = peer->peer.address;
    if (conn_adopt(&peer->conn, &service->endpoint, -1, &address) == 0)
        return true;
    udp_peers_remove(&service->udp.peers, &peer->peer);
    service->worker->conns.totals.refused++;
    free(peer);
    return false;
}

static void take(struct service *service, struct msghdr *message, char *data, size_t len) {
    bool is_new = false, is_session = service->udp.has_sessions;
    if ((message->msg_flags & MSG_TRUNC) || len > service->udp.room) {
        service->worker->conns.totals.limit_errors++;
        return;
    }
    struct udp_conn *peer =
        is_session ? session_of(service, message, &is_new) : lend(service, message);
    if (!peer)
        return;
    memcpy(&peer->to, message->msg_name, message->msg_namelen);
    peer->to_len = message->msg_namelen;
    local_end_read(message, &peer->from);
    if (is_new && !announce(peer, service))
        return;
    if (is_session)
        note_answer(peer);
    note(&peer->conn, len);
    if (!is_session || conn_is_reading(&peer->conn))
        protocol_udp_take(&peer->conn, data, len);
    peer->conn.is_probed = false; /* also by what held no message */
    if (!is_session)
        service->endpoint.handler->drop_data(&peer->conn);
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
static bool read_batch(struct service *service) {
    struct udp *udp = &service->udp;
    prepare(udp);
    int count = recvmmsg(udp->fd, udp->batch->messages, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++) {
        struct mmsghdr *message = &udp->batch->messages[i];
        take(service, &message->msg_hdr, udp->batch->rooms[i].iov_base, message->msg_len);
    }
    return count == (int)BATCH;
}

static void on_readable(uv_poll_t *handle, int status, int events) {
    struct service *service = handle->data;
    (void)events;
    for (int i = 0; status >= 0 && i < BATCHES_A_TURN && service->udp.is_running; i++) {
        bool may_have_more = read_batch(service);
        shed_check(&service->worker->conns);
        if (!may_have_more)
            return;
    }
}

static void set_options(const struct udp *udp) {
    int on = 1;
    /* On a socket of the other family each fails, which does not matter. */
    (void)setsockopt(udp->fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
    (void)setsockopt(udp->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
}

static int allocate(struct service *service) {
    struct udp *udp = &service->udp;
    const struct crew_protocol *protocol = service->app.protocol;
    udp->batch = calloc(1, sizeof(*udp->batch) + BATCH * (udp->room + 1));
    udp->lent = conn_allocate(&service->endpoint);
    if (!udp->batch || !udp->lent)
        return -ENOMEM;
    if (protocol && !(udp->lent->conn.as.custom = custom_new(protocol)))
        return -ENOMEM;
    return 0;
}

int udp_start(struct service *service) {
    struct udp *udp = &service->udp;
    const struct config_service *config = service->config;
    udp->fd = service->listener_fd;
    udp->has_sessions = config->udp_session_timeout_ms > 0;
    udp->limit = config->limits.max_connections;
    if (udp->limit == 0)
        udp->limit = SESSIONS_DEFAULT;
    /* A framing holds each of its messages to the limit. */
    bool is_framed = config->listen.protocol != LISTEN_UDP;
    udp->room = is_framed || config->limits.max_message > DATAGRAM_MAX
                    ? DATAGRAM_MAX
                    : (size_t)config->limits.max_message;
    udp_peers_init(&udp->peers, service->admission.peers.seed);
    udp->is_open = true;
    int err = allocate(service);
    if (!err)
        err = uv_poll_init(&service->worker->loop, &udp->poll, udp->fd);
    if (err)
        return err;
    set_options(udp);
    udp->poll.data = service;
    udp->is_running = true;
    return uv_poll_start(&udp->poll, UV_READABLE, on_readable);
}

/* The kernel gives a socket that is connected nothing but what its one peer sends, and leaves
 * it out when it chooses from those of an address: connected to itself it gets nothing, and
 * sends as before. A closed one could not answer. */
static int leave_address(const struct udp *udp) {
    union inet_address bound = {0};
    socklen_t len = sizeof(bound);
    if (getsockname(udp->fd, &bound.any, &len) != 0 || connect(udp->fd, &bound.any, len) != 0)
        return -errno;
    return 0;
}

void udp_take_waiting(struct service *service) {
    struct udp *udp = &service->udp;
    if (!udp->is_running)
        return;
    int err = leave_address(udp);
    if (err) { /* what comes has no end then */
        log_warning("service \"%s\": what comes to %s until this process ends is lost: %s",
                    service->config->name, service->config->listen_text, crew_strerror(err));
        return;
    }
    while (read_batch(service))
        ;
}

void udp_stop(struct service *service) {
    struct udp *udp = &service->udp;
    if (!udp->is_running)
        return;
    udp->is_running = false;
    uv_close((uv_handle_t *)&udp->poll, NULL);
}

void udp_done(struct service *service) {
    struct udp *udp = &service->udp;
    if (!udp->is_open)
        return;
    udp->is_open = false;
    close(udp->fd);
    if (udp->lent)
        custom_free(udp->lent->conn.as.custom);
    free(udp->lent);
    free(udp->batch);
    udp_peers_done(&udp->peers);
}
