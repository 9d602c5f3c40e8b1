/* SPDX-License-Identifier: MIT
 *
 * See admission.h. Whoever was counted leaves by conn_address(), which does not change
 * meanwhile: a connection that is counted itself has no proxy as its peer, and of a proxy's
 * connection the client changes only with the next head.
 */
#include "admission.h"

#include <inttypes.h>

#include "log.h"
#include "request.h"
#include "service.h"

#define TOO_MANY 429 /* RFC 6585 section 4: a proxy does not take it for a fault of ours */

int admission_init(struct admission *admission, const struct config_limits *limits,
                   uint64_t seed) {
    peers_init(&admission->peers, seed);
    rates_init(&admission->handshakes, seed);
    rates_init(&admission->requests, seed);
    admission->counts_requests = limits->max_connections_per_address > 0 ||
                                 limits->handshakes_per_address > 0 ||
                                 limits->requests_per_address > 0;
    int err = 0;
    if (limits->handshakes_per_address > 0)
        err = rates_start(&admission->handshakes);
    if (!err && limits->requests_per_address > 0)
        err = rates_start(&admission->requests);
    return err;
}

void admission_done(struct admission *admission) {
    peers_done(&admission->peers);
    rates_done(&admission->handshakes);
    rates_done(&admission->requests);
}

static const struct config_limits *limits_of(const struct crew_conn *conn) {
    return &service_of(conn)->config->limits;
}

static uint32_t second_of(const struct crew_conn *conn) {
    return (uint32_t)(conns_now(conns_of(conn)) / 1000);
}

/* Is its peer a proxy that names the client of each request? Or one whose PROXY header names
 * nobody, as that of a health check? */
static bool is_of_proxy(const struct crew_conn *conn) {
    const struct service *service = service_of(conn);
    enum listen_protocol protocol = service->config->listen.protocol;
    bool has_heads = protocol == LISTEN_HTTP || protocol == LISTEN_WEBSOCKET;
    return conn->is_unnamed || (has_heads && service->proxies.count > 0 &&
                                networks_have(&service->proxies, &conn->peer));
}

static void note(struct crew_conn *conn, struct news *news, const char *limit, uint32_t value) {
    struct conns *conns = conns_of(conn);
    uint64_t count = news_add(news, conns_now(conns));
    struct crew_addr address;
    conns->totals.over_address++;
    if (count == 0)
        return;
    address_show(conn_address(conn), &address);
    log_warning("service \"%s\": limits.%s is %" PRIu32 "; refused: %" PRIu64
                ", the last from %s",
                service_of(conn)->config->name, limit, value, count, address.text);
}

static bool may_shake_hands(struct crew_conn *conn) {
    struct admission *admission = &service_of(conn)->admission;
    uint32_t limit = limits_of(conn)->handshakes_per_address;
    if (rates_pass(&admission->handshakes, conn_address(conn), limit, second_of(conn)))
        return true;
    note(conn, &admission->over_handshakes, "handshakes_per_address", limit);
    return false;
}

/* Has one more place; *out_is_counted: and takes it. */
static bool may_have_one_more(struct crew_conn *conn, bool *out_is_counted) {
    struct admission *admission = &service_of(conn)->admission;
    uint32_t limit = limits_of(conn)->max_connections_per_address;
    if (limit == 0)
        return true;
    *out_is_counted = peers_enter(&admission->peers, conn_address(conn), limit);
    if (!*out_is_counted)
        note(conn, &admission->over_connections, "max_connections_per_address", limit);
    return *out_is_counted;
}

int admission_connect(struct crew_conn *conn) {
    bool is_counted = false;
    if (is_of_proxy(conn))
        return 0;
    if (!may_shake_hands(conn) || !may_have_one_more(conn, &is_counted))
        return TOO_MANY;
    conn->is_admitted = is_counted;
    return 0;
}

void admission_leave(struct crew_conn *conn) {
    if (conn->is_admitted)
        peers_leave(&service_of(conn)->admission.peers, conn_address(conn));
}

static bool may_ask(struct crew_conn *conn) {
    struct admission *admission = &service_of(conn)->admission;
    uint32_t limit = limits_of(conn)->requests_per_address;
    if (rates_pass(&admission->requests, conn_address(conn), limit, second_of(conn)))
        return true;
    note(conn, &admission->over_requests, "requests_per_address", limit);
    return false;
}

int admission_request(struct crew_request *request, bool is_handshake, const char **out_why) {
    struct crew_conn *conn = request->conn;
    bool is_of_other = is_of_proxy(conn);
    if (is_of_other && !conn->client) /* never count the proxy for a client that it hides */
        return 0;
    *out_why = "too many requests from this address";
    if (!may_ask(conn))
        return TOO_MANY;
    *out_why = "too many connections from this address";
    if (!is_of_other)
        return 0;
    if ((is_handshake && !may_shake_hands(conn)) ||
        !may_have_one_more(conn, &request->is_counted))
        return TOO_MANY;
    return 0;
}

void admission_release(struct crew_request *request) {
    struct crew_conn *conn = request->conn;
    if (!request->is_counted)
        return;
    request->is_counted = false;
    peers_leave(&service_of(conn)->admission.peers, conn_address(conn));
}

void admission_stay(struct crew_request *request) {
    request->conn->is_admitted |= request->is_counted;
    request->is_counted = false;
}
