/* SPDX-License-Identifier: MIT
 *
 * Fair shares of the accepts: a worker that has more connections than another of its service
 * holds back for a moment, so that the other, which is woken then, takes it.
 * Reads their pages as numbers that may be wrong: it holds back a bounded number of times,
 * and a sibling whose loop does not turn is left out.
 */
#ifndef CREWMAN_FAIR_H
#define CREWMAN_FAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "siblings.h"

/* A sibling is looked at while its loop turned within this time: twice the second between its
 * beats. */
#define FAIR_ALIVE_MS 2000u
/* How often in a row to hold back at the most, a millisecond each. */
#define FAIR_HOLDS_MAX 5u

struct fair {
    const struct score_page *beside[SIBLINGS_MAX]; /* who accepts, at the last refresh */
    size_t count;
    uint64_t refreshed_at;    /* ms */
    unsigned siblings_change; /* of `siblings`, then */
    unsigned holds;           /* in a row */
};

/* Note again who accepts beside us: ten times a second and whenever a sibling came or went;
 * cheap otherwise. To be called before fair_should_hold(), in the same turn of the loop. */
void fair_refresh(struct fair *fair, const struct siblings *siblings, uint64_t now_ms);

/* True: do not accept now, ask again in a millisecond. */
bool fair_should_hold(struct fair *fair, uint32_t own_connections);

/* Has a sibling room for the service `index` of the row `services` (score_services())? Of one
 * that has another row, in the middle of a reload, only the state of all of it is known. Looks
 * at the pages at once. */
bool fair_is_room_elsewhere(const struct siblings *siblings, uint64_t services, unsigned index,
                            uint64_t now_ms);

/* Has another of them fewer? Then it should be woken before us. */
bool fair_is_ahead(const struct fair *fair, uint32_t own_connections);

/* Something was accepted: the next hold starts a new row. */
void fair_accepted(struct fair *fair);

#endif
