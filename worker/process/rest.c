/* SPDX-License-Identifier: MIT
 *
 * See rest.h. The reason of the first line may have passed, and is not said again.
 */
#include "rest.h"

#include <inttypes.h>

#include "log.h"
#include "services.h"
#include "worker.h"

static void tell(const struct service *service, struct news *news, enum crew_log_level level,
                 const char *what) {
    uint64_t count = news_rest(news, conns_now(&service->worker->conns));
    if (count > 0)
        log_write(level, "service \"%s\": %s since the last line: %" PRIu64,
                  service->config->name, what, count);
}

static void tell_of_connections(struct service *service) {
    struct acceptor *acceptor = &service->acceptor;
    struct admission *admission = &service->admission;
    tell(service, &acceptor->turned_away, CREW_LOG_WARNING, "connections turned away");
    tell(service, &acceptor->evicted, CREW_LOG_NOTICE,
         "connections ended that waited for a next request");
    tell(service, &acceptor->failed, CREW_LOG_ERROR,
         "connections closed that could not be opened");
    tell(service, &admission->over_connections, CREW_LOG_WARNING,
         "refused by limits.max_connections_per_address");
    tell(service, &admission->over_handshakes, CREW_LOG_WARNING,
         "refused by limits.handshakes_per_address");
    tell(service, &admission->over_requests, CREW_LOG_WARNING,
         "refused by limits.requests_per_address");
}

static void tell_of_datagrams(struct service *service) {
    tell(service, &service->udp.evicted, CREW_LOG_WARNING,
         "peers not proven genuine, ended to make room");
    tell(service, &service->udp.refused, CREW_LOG_WARNING,
         "datagrams of new peers, dropped for want of room");
}

static void tell_of_http(struct worker *worker) {
    uint64_t now = conns_now(&worker->conns);
    uint64_t count = news_rest(&worker->http.spills.news, now);
    if (count > 0)
        log_warning("uploads that could not be kept since the last line: %" PRIu64, count);
    count = news_rest(&worker->http.failed_answers.news, now);
    if (count > 0)
        log_warning("requests whose answer failed since the last line: %" PRIu64, count);
}

void rest_beat(struct worker *worker) {
    services_each (service, worker) {
        tell_of_connections(service);
        tell_of_datagrams(service);
        tell(service, &service->cookies.news, CREW_LOG_WARNING, "errors of sessions");
    }
    tell_of_http(worker);
}
