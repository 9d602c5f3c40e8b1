/* SPDX-License-Identifier: MIT
 *
 * Who pays when the peers of a loop make it hold more than its budget: of the client address
 * that holds most the largest connection, and so on until a sixteenth is free. A peer behind a
 * trusted proxy pays by its own address. Looked at at the top of each event, where no protocol
 * reads and no callback of the app runs; so the limit is passed by no more than one event adds,
 * and what those keep that end in this turn.
 */
#ifndef CREWMAN_SHED_H
#define CREWMAN_SHED_H

#include "conns.h"

void shed_now(struct conns *conns);

static inline void shed_check(struct conns *conns) {
    if (budget_is_over(&conns->budget))
        shed_now(conns);
}

#endif
