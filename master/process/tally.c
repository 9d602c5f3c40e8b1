/* SPDX-License-Identifier: MIT
 *
 * See tally.h.
 */
#include "tally.h"

bool tally_read(struct tally *tally, const struct score_page *page) {
    bool is_possible = true;
    for (unsigned id = 0; id < COUNTER_COUNT; id++) {
        uint64_t value = scoreboard_read(page, (enum counter_id)id);
        enum counter_kind kind = counter_get((enum counter_id)id)->kind;
        bool is_total = kind == COUNTER_KIND_TOTAL;
        if (value <= TALLY_VALUE_MAX && (!is_total || value >= tally->values[id]))
            tally->values[id] = value;
        else if (kind != COUNTER_KIND_MARK) /* which is no number: it may have any bits */
            is_possible = false;
    }
    return is_possible;
}

void tally_add(struct tally *tally, const struct tally *other) {
    for (unsigned id = 0; id < COUNTER_COUNT; id++) {
        if (counter_get((enum counter_id)id)->kind != COUNTER_KIND_TOTAL)
            continue;
        uint64_t room = TALLY_VALUE_MAX - tally->values[id];
        tally->values[id] += other->values[id] < room ? other->values[id] : room;
    }
}
