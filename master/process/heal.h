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

struct instance;
struct place;

/* What a service remembers of it. */
struct health {
    bool is_deaf;         /* its socket is spoilt, and there is no new one yet */
    uint64_t again_at_ms; /* no other socket before that: a worker might spoil each */
    uint64_t wait_ms;
    uint64_t socket_ms;   /* when the new one came: who is older has the dead one; 0: nobody */
    uint64_t renew_at_ms; /* no other attempt to replace those before that */
};

void heal_look(struct instance *instance);

/* A worker that comes in another's place is ready. If no reload is to say what becomes of both,
 * we are. */
void heal_place_ready(struct place *place);

/* A reload brings workers of its own: those that come by our wish, and are not ready, make
 * room. If it fails there is another attempt. */
void heal_make_room(struct instance *instance);

#endif
