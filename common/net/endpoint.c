/* SPDX-License-Identifier: MIT
 *
 * See endpoint.h: the time lists as the settings want them. The tick is a quarter of the
 * shortest time, and a second at the most.
 */
#include "endpoint.h"

#define TICK_MAX_MS 1000u
#define TICK_MIN_MS 10u

static uint64_t shorter(uint64_t tick, uint64_t time) {
    return time > 0 && time / 4 < tick ? time / 4 : tick;
}

static uint32_t tick_for(const struct endpoint_settings *settings) {
    uint64_t tick = shorter(TICK_MAX_MS, settings->ping_interval_ms);
    tick = shorter(tick, settings->idle_timeout_ms);
    tick = shorter(tick, settings->send_timeout_ms);
    tick = shorter(tick, settings->auth_timeout_ms);
    for (int i = 0; i < DEADLINE_COUNT; i++)
        tick = shorter(tick, settings->deadline_ms[i]);
    return tick < TICK_MIN_MS ? TICK_MIN_MS : (uint32_t)tick;
}

/* Who cannot be probed is marked in the middle of the time for which it may be silent. */
static uint64_t probe_ms(const struct endpoint *endpoint) {
    const struct endpoint_settings *settings = &endpoint->settings;
    return endpoint->probes ? settings->ping_interval_ms : settings->idle_timeout_ms / 2;
}

/* What may lie in the cork buffer: no more than the queue may hold below the high-water mark,
 * as whoever is told CREW_SENT goes on. */
static size_t cork_max(const struct endpoint_settings *settings) {
    size_t mark = settings->max_send_buffer / 2;
    return mark < CONNS_CORK_SIZE ? mark : CONNS_CORK_SIZE;
}

int endpoint_start(struct endpoint *endpoint) {
    const struct endpoint_settings *settings = &endpoint->settings;
    endpoint->cork_max = cork_max(settings);
    struct liveness *lists = &endpoint->reaper.lists;
    uint32_t tick = tick_for(settings);
    liveness_init(lists);
    lists->idle_ticks = liveness_ticks(settings->idle_timeout_ms, tick);
    endpoint->probes = settings->ping_interval_ms > 0 &&
                       (settings->ping_data[0] != '\0' || endpoint->protocol->has_probe);
    lists->probe_ticks = liveness_ticks(probe_ms(endpoint), tick);
    endpoint->reaper.send_ticks = liveness_ticks(settings->send_timeout_ms, tick);
    for (int i = 0; i < DEADLINE_COUNT; i++)
        lists->deadline_ticks[i] = liveness_ticks(settings->deadline_ms[i], tick);
    guests_init(&endpoint->reaper.guests, liveness_ticks(settings->auth_timeout_ms, tick));
    return reaper_start(&endpoint->reaper, endpoint->conns->loop, tick);
}

void endpoint_stop(struct endpoint *endpoint) {
    reaper_stop(&endpoint->reaper);
}
