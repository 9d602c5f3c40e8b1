/* SPDX-License-Identifier: MIT
 *
 * Fair shares of the accepts: a worker that has more connections than another of its service
 * holds back for a moment, so that the other, which was woken by the same connection, takes it.
 * Reads the scoreboard as numbers that may be wrong: it holds back a bounded number of times,
 * and a sibling whose loop does not turn is left out.
 */
#ifndef CREWMAN_FAIR_H
#define CREWMAN_FAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scoreboard.h"

/* A sibling is looked at while its loop turned within this time: twice the second between its
 * beats. */
#define FAIR_ALIVE_MS 2000u
/* How often in a row to hold back at the most, a millisecond each. */
#define FAIR_HOLDS_MAX 5u
/* Siblings looked at; with more, a sample of them decides. */
#define FAIR_SIBLINGS_MAX 64u

struct fair {
    const struct score_line *siblings[FAIR_SIBLINGS_MAX];
    size_t count;
    uint64_t refreshed_at; /* ms */
    unsigned holds;        /* in a row */
};

/* Note again who accepts beside us; at most ten times a second, cheap otherwise. */
void fair_refresh(struct fair *fair, const struct scoreboard *board,
                  const struct score_line *own, uint64_t now_ms);

/* True: do not accept now, ask again in a millisecond. */
bool fair_should_hold(struct fair *fair, uint32_t own_connections);

/* Something was accepted: the next hold starts a new row. */
void fair_accepted(struct fair *fair);

#endif
