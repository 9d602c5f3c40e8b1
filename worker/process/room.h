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
    size_t turned_away;  /* of those taken: they need no place, and are gone soon */
    size_t spare;        /* how many of these there may be above the limit */
    size_t listeners;
};

/* One more listener, which needs descriptors too: look at the limit of open files again. */
void room_add_listener(struct room *room);

/* Is there a place for `more` connections? Those that are turned away need none, but each has a
 * descriptor. */
static inline bool room_has_place(const struct room *room, size_t more) {
    return room->taken - room->turned_away + more <= room->limit &&
           room->taken + more <= room->limit + room->spare;
}

/* Are there descriptors for `more` that are only turned away? */
static inline bool room_has_spare(const struct room *room, size_t more) {
    return room->taken + more <= room->limit + room->spare;
}

/* A connection comes, and has gone. */
void room_take(struct room *room);
void room_give_back(struct room *room);

#endif
