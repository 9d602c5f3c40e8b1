/* SPDX-License-Identifier: MIT
 *
 * See places.h. A process of which one service is full takes part in the fair shares of the
 * others, so a service has a bit of its own beside the state of the whole page.
 */
#include "places.h"

#include <inttypes.h>
#include <stdio.h>

#include "conn_state.h"
#include "log.h"
#include "services.h"
#include "worker.h"

/* Bounds what strangers can make a service hold above its limit. */
#define TURNED_AWAY_MAX 64u

bool places_are_there(const struct service *service, size_t more) {
    return endpoint_live(&service->endpoint) + more <= service->acceptor.limit &&
           room_has_place(&service->worker->room, more);
}

bool places_are_shared(const struct service *service) {
    return !service->config->reuse_port && !service->owns_socket &&
           (service->config->workers > 1 || service->worker->siblings.count > 0);
}

bool places_are_elsewhere(const struct service *service) {
    const struct worker *worker = service->worker;
    if (!places_are_shared(service))
        return false;
    return fair_is_room_elsewhere(&worker->siblings, score_get(worker->line->services),
                                  service->index, uv_now(&worker->loop));
}

bool places_may_turn_away(const struct service *service, size_t more) {
    return service->endpoint.turned_away < TURNED_AWAY_MAX &&
           room_has_spare(&service->worker->room, more);
}

static void set_full(const struct service *service, bool is_full) {
    struct score_line *line = service->worker->line;
    uint64_t bit = UINT64_C(1) << service->index;
    uint64_t full = score_get(line->full_services);
    score_set(line->full_services, is_full ? full | bit : full & ~bit);
}

void places_tell_full(const struct service *service) {
    if (service->owns_socket)
        return;
    set_full(service, true);
    services_each (other, service->worker)
        if (other != service && !other->owns_socket && other->acceptor.listener.is_watching &&
            places_are_there(other, 1))
            return;
    score_set(service->worker->line->state, SCORE_FULL);
}

void places_tell_room(const struct service *service) {
    if (service->owns_socket)
        return;
    set_full(service, false);
    score_set(service->worker->line->state, SCORE_ACCEPTING);
}

/* Why it is full, for people. */
static const char *reason_of(const struct service *service, char *out, size_t size) {
    if (service->acceptor.is_starved)
        return "no descriptor is left";
    if (endpoint_live(&service->endpoint) < service->acceptor.limit)
        return "its process may open no more files (RLIMIT_NOFILE)";
    snprintf(out, size, "limits.max_connections is %zu", service->acceptor.limit);
    return out;
}

void places_note_turned_away(struct service *service) {
    struct conns *conns = &service->worker->conns;
    uint64_t count = news_add(&service->acceptor.turned_away, conns_now(conns));
    char reason[64];
    conns->totals.refused++;
    conns->totals.turned_away++;
    if (count > 0)
        log_warning("service \"%s\" is full: %s; connections turned away: %" PRIu64,
                    service->config->name, reason_of(service, reason, sizeof(reason)), count);
}

void places_take_of(struct crew_conn *idlest) {
    struct service *service = service_of(idlest);
    struct conns *conns = &service->worker->conns;
    uint64_t count = news_add(&service->acceptor.evicted, conns_now(conns));
    char reason[64];
    conns->totals.evicted++;
    if (count > 0)
        log_notice("service \"%s\" is full: %s; connections ended that waited for a next "
                   "request: %" PRIu64,
                   service->config->name, reason_of(service, reason, sizeof(reason)), count);
    conn_end(idlest, CREW_CLOSE_LIMIT, 0);
}

void places_note_elsewhere(struct service *service) {
    uint64_t now = conns_now(&service->worker->conns);
    char reason[64];
    if (news_add(&service->acceptor.left_to_others, now) > 0)
        log_notice("service \"%s\" is full: %s; other workers take its connections",
                   service->config->name, reason_of(service, reason, sizeof(reason)));
}
