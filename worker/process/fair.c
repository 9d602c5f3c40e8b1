/* SPDX-License-Identifier: MIT
 *
 * The slack lets small numbers be uneven (nobody minds 3 beside 1, and each hold costs a
 * wake-up) and stays well under the tenth by which large ones may differ.
 */
#include "fair.h"

#define REFRESH_MS 100u
#define SLACK_MIN  2u
#define SLACK_PART 32u

static bool takes_part(const struct score_page *page, uint64_t now_ms) {
    if (scoreboard_read(page, COUNTER_STATE) != SCORE_ACCEPTING)
        return false;
    uint64_t tick_at = scoreboard_read(page, COUNTER_TICK_AT);
    return tick_at + FAIR_ALIVE_MS >= now_ms;
}

void fair_refresh(struct fair *fair, const struct siblings *siblings, uint64_t now_ms) {
    bool is_fresh = fair->refreshed_at != 0 && now_ms - fair->refreshed_at < REFRESH_MS;
    if (is_fresh && fair->siblings_change == siblings->change)
        return;
    fair->refreshed_at = now_ms;
    fair->siblings_change = siblings->change;
    fair->count = 0;
    for (size_t i = 0; i < siblings->count; i++)
        if (takes_part(siblings->list[i].page, now_ms))
            fair->beside[fair->count++] = siblings->list[i].page;
}

static uint64_t least_of(const struct fair *fair) {
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < fair->count; i++) {
        uint64_t connections = scoreboard_read(fair->beside[i], COUNTER_CONNECTIONS);
        if (scoreboard_read(fair->beside[i], COUNTER_STATE) == SCORE_ACCEPTING &&
            connections < least)
            least = connections;
    }
    return least;
}

bool fair_should_hold(struct fair *fair, uint32_t own_connections) {
    uint64_t least = least_of(fair);
    if (least == UINT64_MAX)
        return false;
    uint64_t slack = least / SLACK_PART > SLACK_MIN ? least / SLACK_PART : SLACK_MIN;
    if (own_connections <= least || own_connections - least <= slack)
        return false;
    if (fair->holds >= FAIR_HOLDS_MAX)
        return false;
    fair->holds++;
    return true;
}

bool fair_is_room_elsewhere(const struct siblings *siblings, uint64_t services, unsigned index,
                            uint64_t now_ms) {
    for (size_t i = 0; i < siblings->count; i++) {
        const struct score_page *page = siblings->list[i].page;
        bool is_like_us = scoreboard_read(page, COUNTER_SERVICES) == services;
        uint64_t full = scoreboard_read(page, COUNTER_FULL_SERVICES);
        if (takes_part(page, now_ms) && !(is_like_us && full >> index & 1))
            return true;
    }
    return false;
}

bool fair_is_ahead(const struct fair *fair, uint32_t own_connections) {
    uint64_t least = least_of(fair);
    return least != UINT64_MAX && own_connections > least;
}

void fair_accepted(struct fair *fair) {
    fair->holds = 0;
}
