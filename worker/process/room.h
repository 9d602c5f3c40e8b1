/* SPDX-License-Identifier: MIT
 *
 * Room for connections in this process: as many as its limit of open files leaves. All of its
 * services share it, whatever each has for itself (max_connections). Counts only connections
 * with a descriptor of their own. Owned by the worker; called by acceptor.c and service.c.
 */
#ifndef CREWMAN_ROOM_H
#define CREWMAN_ROOM_H

#include <stdbool.h>
#include <stddef.h>

struct room {
    size_t limit, taken; /* connections */
    size_t listeners;
};

/* One more listener, which needs descriptors too: look at the limit of open files again. */
void room_add_listener(struct room *room);

static inline bool room_is_full(const struct room *room) {
    return room->taken >= room->limit;
}

/* A connection comes, and has gone. */
void room_take(struct room *room);
void room_give_back(struct room *room);

#endif
