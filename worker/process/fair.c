/* SPDX-License-Identifier: MIT
 *
 * The slack lets small numbers be uneven (nobody minds 3 beside 1, and each hold costs a
 * wake-up) and stays well under the tenth by which large ones may differ.
 */
#include "fair.h"

#define REFRESH_MS 100u
#define SLACK_MIN  2u
#define SLACK_PART 32u

static bool takes_part(const struct score_line *line, uint64_t now_ms) {
    if (score_get(line->pid) == 0 || score_get(line->state) != SCORE_ACCEPTING)
        return false;
    uint64_t tick_at = score_get(line->tick_at);
    return tick_at + FAIR_ALIVE_MS >= now_ms;
}

void fair_refresh(struct fair *fair, const struct scoreboard *board,
                  const struct score_line *own, uint64_t now_ms) {
    if (!board || (fair->refreshed_at != 0 && now_ms - fair->refreshed_at < REFRESH_MS))
        return;
    fair->refreshed_at = now_ms;
    fair->count = 0;
    for (size_t i = 0; i < SCOREBOARD_LINES && fair->count < FAIR_SIBLINGS_MAX; i++) {
        const struct score_line *line = &board->lines[i];
        if (line != own && takes_part(line, now_ms))
            fair->siblings[fair->count++] = line;
    }
}

static uint32_t least_of(const struct fair *fair) {
    uint32_t least = UINT32_MAX;
    for (size_t i = 0; i < fair->count; i++) {
        uint32_t connections = score_get(fair->siblings[i]->connections);
        if (score_get(fair->siblings[i]->state) == SCORE_ACCEPTING && connections < least)
            least = connections;
    }
    return least;
}

bool fair_should_hold(struct fair *fair, uint32_t own_connections) {
    uint32_t least = least_of(fair);
    if (least == UINT32_MAX)
        return false;
    uint32_t slack = least / SLACK_PART > SLACK_MIN ? least / SLACK_PART : SLACK_MIN;
    if (own_connections <= least || own_connections - least <= slack)
        return false;
    if (fair->holds >= FAIR_HOLDS_MAX)
        return false;
    fair->holds++;
    return true;
}

void fair_accepted(struct fair *fair) {
    fair->holds = 0;
}
