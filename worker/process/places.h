/* SPDX-License-Identifier: MIT
 *
 * Places for the connections of a service: as many as max_connections says, and no more than
 * the process has descriptors for (room.h). Tells the siblings on the page when none is left,
 * and knows from theirs whether one of them has some. Who takes a connection is the acceptor's;
 * called by acceptor.c and service.c.
 */
#ifndef CREWMAN_PLACES_H
#define CREWMAN_PLACES_H

#include <stdbool.h>
#include <stddef.h>

struct crew_conn;
struct service;

/* Are there places for all connections and `more`? */
bool places_are_there(const struct service *service, size_t more);

/* Are there other workers that may take connections of this service? */
bool places_are_shared(const struct service *service);

/* Does another worker take connections of this service? */
bool places_are_elsewhere(const struct service *service);

/* May one be kept while it is told that there is no place? `more`: 1 before it is accepted, 0
 * when it is among the connections. Their number is bounded. */
bool places_may_turn_away(const struct service *service, size_t more);

/* Write on the page that the service is full; that it has room. */
void places_tell_full(const struct service *service);
void places_tell_room(const struct service *service);

/* One was turned away for want of a place: count it, and log it now and then. */
void places_note_turned_away(struct service *service);

/* The service is full, and ends this one, of which nothing is under way, for another. */
void places_take_of(struct crew_conn *idlest);

/* The service is full, and leaves its clients to the other workers. */
void places_note_elsewhere(struct service *service);

#endif
