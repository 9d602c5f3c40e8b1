/* SPDX-License-Identifier: MIT
 *
 * The datagram socket of a udp service: reads it in bounded batches and finds out for whom a
 * datagram is. Each datagram goes to the protocol with a crew_conn that stands for
 * its peer:
 *
 *   without sessions   one that is lent for the callback. It has no id and is ENDED from the
 *                      start, so that closing, pausing or destroying it does nothing at all
 *   with sessions      one of the peer's own (udp.session_timeout), announced and listed like a
 *                      connection, with no socket: its fd is -1
 *
 * The source of a datagram can be forged. A peer that has not answered what was sent to it is
 * not proven: it gets no probe, and makes room for others.
 *
 * The socket is shared by workers and belongs to the master, or it is the service's own: no
 * peer ever closes or pauses it.
 */
#ifndef CREWMAN_UDP_H
#define CREWMAN_UDP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "news.h"
#include "transport.h"
#include "udp_peers.h"

struct service;
struct crew_conn;
struct udp_batch;
struct udp_conn;

struct udp {
    uv_poll_t poll;
    int fd;
    bool is_running; /* reads datagrams */
    bool is_open;    /* between udp_start() and udp_done() */
    bool has_sessions;
    size_t limit;            /* of sessions */
    size_t room;             /* for one datagram */
    struct udp_batch *batch; /* what one read fills */
    struct udp_conn *lent;   /* without sessions: stands for whose datagram is being handled */
    struct udp_peers peers;  /* with sessions */
    struct news evicted, refused;
};

/* Begin to read the service's listener. 0, or a negative error. */
int udp_start(struct service *service);

/* Of a socket that nobody else has: from now on the kernel gives what comes to the others that
 * are bound to its address, and what it gave to this one is read. Before udp_stop(). */
void udp_take_waiting(struct service *service);

/* Stop reading, for good; sending goes on. Harmless twice. */
void udp_stop(struct service *service);

/* Free all; the connections have gone. */
void udp_done(struct service *service);

/* transport_datagram.c: of these peers; a write that finds no room in the kernel is lost
 * (CREW_EFULL). */
extern const struct transport transport_datagram;

/* protocol_udp.c: take one datagram apart and deliver its messages. */
void protocol_udp_take(struct crew_conn *conn, char *data, size_t len);

#endif
