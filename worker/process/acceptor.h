/* SPDX-License-Identifier: MIT
 *
 * Takes connections from a service's listening socket, which the master made and all workers of
 * the service share, or which is the service's own: while there is a place (places.h), and not
 * faster than its fair share; how is listener.h. Without a place it leaves them to the workers
 * that have one; where none has, it takes them to turn them away. Never closes the listener for
 * others: the master keeps it.
 */
#ifndef CREWMAN_ACCEPTOR_H
#define CREWMAN_ACCEPTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "fair.h"
#include "listener.h"
#include "news.h"

struct service;

struct acceptor {
    struct listener listener;
    size_t limit;    /* max_connections */
    bool is_turning; /* no worker has a place: whoever comes is turned away */
    bool is_starved; /* the one that comes has the last descriptor, and is turned away */
    struct fair fair;
    struct news turned_away, left_to_others, evicted, failed;
};

/* Begin to accept; nothing to do without a listener. 0, or a negative error. */
int acceptor_start(struct service *service);

/* Stop for good (draining); connections that wait in the backlog are left to the others.
 * Harmless twice. */
void acceptor_stop(struct service *service);

/* What waits in the backlog, whatever the limits say: of a socket that nobody else has. */
void acceptor_take_waiting(struct service *service);

/* That, and nobody listens there any more: the socket makes place for another of the master's,
 * which is served already. */
void acceptor_hand_over(struct service *service);

/* A connection of the process has gone: there may be room again. */
void acceptor_room(struct service *service);

/* Once a second, see listener_look(). */
void acceptor_look(struct service *service);

#endif
