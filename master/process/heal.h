/* SPDX-License-Identifier: MIT
 *
 * Looks at the listening sockets of all services, which workers can spoil for each other, and
 * puts right what they did: mended in place, or replaced together with the workers that have
 * the old one. Called by the master, once a second.
 */
#ifndef CREWMAN_HEAL_H
#define CREWMAN_HEAL_H

#include <stdbool.h>
#include <stdint.h>

struct child;
struct instance;
struct place;

/* What a service remembers of it. */
struct health {
    bool is_deaf;         /* its socket is spoilt, and there is no new one yet */
    uint64_t again_at_ms; /* no other socket before that: a worker might spoil each */
    uint64_t wait_ms;
    bool has_old;         /* workers with a socket of before may be left: */
    uint64_t socket_ms;   /* … born before a new one came, */
    unsigned generation;  /* … or of a generation before this one, whose reload moved it */
    uint64_t renew_at_ms; /* no other attempt to replace those before that */
    uint64_t renew_wait_ms;
};

void heal_look(struct instance *instance);

/* The socket of one of its services is spoilt, or is not the one that the service has now; as
 * long as a reload runs the latter is no fault. */
bool heal_is_deaf(const struct child *child);

/* A worker that comes in another's place is ready. If no reload is to say what becomes of both,
 * we are. */
void heal_place_ready(struct place *place);

/* A reload brings workers of its own: those that come by our wish, and are not ready, make
 * room. If it fails there is another attempt. */
void heal_make_room(struct instance *instance);

#endif
