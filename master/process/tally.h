/* SPDX-License-Identifier: MIT
 *
 * Counters as the master keeps them: read from a child's page, which may hold anything, and
 * added up over the children that a slot has had. Totals never fall, whatever the page says.
 */
#ifndef CREWMAN_TALLY_H
#define CREWMAN_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "scoreboard.h"

/* What JSON carries exactly. A larger number on a page is damage, and is not taken. */
#define TALLY_VALUE_MAX (UINT64_C(1) << 53)

struct tally {
    uint64_t values[COUNTER_COUNT];
};

/* Note what the page says now. False when it says what cannot be: more than TALLY_VALUE_MAX, or
 * a total that fell. */
bool tally_read(struct tally *tally, const struct score_page *page);

/* Add the totals of another; what else it has belongs to its process and ends with it. */
void tally_add(struct tally *tally, const struct tally *other);

#endif
