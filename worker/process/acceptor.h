/* SPDX-License-Identifier: MIT
 *
 * Takes connections from the listening socket that the master made and all workers of the
 * service share: in bounded batches, only while there is room (max_connections, descriptors),
 * and not faster than its fair share. Never closes the listener for others: the master keeps
 * it.
 */
#ifndef CREWMAN_ACCEPTOR_H
#define CREWMAN_ACCEPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "fair.h"

struct service;

struct acceptor {
    uv_poll_t poll;
    uv_timer_t pause;           /* holding back, or out of descriptors */
    int fd;                     /* -1: none */
    int reserve_fd;             /* given up for a moment to turn a connection away at EMFILE */
    size_t limit;               /* max_connections in force */
    bool is_running;            /* between start and stop */
    bool is_full;               /* at the limit */
    bool is_starved;            /* the last accept found no descriptor */
    uint64_t starved_logged_at; /* ms */
    struct fair fair;
};

/* Begin to accept; nothing to do without a listener. 0, or a negative error. */
int acceptor_start(struct service *service);

/* Stop for good (draining); connections that wait in the backlog are left to the others.
 * Harmless twice. */
void acceptor_stop(struct service *service);

/* A connection has gone: there may be room again. */
void acceptor_room(struct service *service);

#endif
