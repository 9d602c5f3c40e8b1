/* SPDX-License-Identifier: MIT
 *
 * The pages of the other workers of our service, as far as the master hands them to us: mapped
 * to be read, and never written. They come and go with messages of the control pipe; fair
 * shares look at them. With more workers than are looked at, one that is not known may have room
 * when all that are known are full.
 */
#ifndef CREWMAN_WORKER_SIBLINGS_H
#define CREWMAN_WORKER_SIBLINGS_H

#include <stddef.h>
#include <stdint.h>

#include "scoreboard.h"

/* Those looked at; with more, the first of them decide. Two processes of each neighbour. */
#define SIBLINGS_MAX 128u

struct sibling {
    uint32_t process; /* the number in its ids */
    const struct score_page *page;
};

struct siblings {
    struct sibling list[SIBLINGS_MAX];
    size_t count;
    unsigned change; /* another number after each that came or went */
};

/* Takes `fd`, also when it is -1 or no page: then nothing is added. */
void siblings_add(struct siblings *siblings, uint32_t process, int fd);

/* Unmaps its page; nothing when it is unknown. */
void siblings_remove(struct siblings *siblings, uint32_t process);

void siblings_done(struct siblings *siblings);

#endif
