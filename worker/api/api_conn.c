/* SPDX-License-Identifier: MIT
 *
 * The crew_conn_… functions of crewman.h but those that send: what an app may ask of a
 * connection. Checks arguments and state; the work is done by the files conn*.c of common/net.
 * A connection that is not announced, or has ended, is none for the app, whatever id it asks
 * for.
 */
#include <string.h>

#include "app_handler.h"
#include "conn_close.h"
#include "conn_memory.h"
#include "conn_state.h"
#include "service.h"
#include "sized.h"
#include "utf8.h"
#include "worker.h"
#include "ws.h"

#define CLOSE_REASON_MAX 123u /* RFC 6455 section 5.5.1: 125 with the code */

void crew_conn_close(crew_conn *conn) {
    if (!conn)
        return;
    conn_close(conn, CREW_CLOSE_LOCAL, WS_CODE_NORMAL, NULL);
}

int crew_conn_close_with(crew_conn *conn, int code, const char *reason) {
    if (!conn)
        return CREW_ENOENT;
    size_t len = reason ? strlen(reason) : 0;
    if (!ws_close_code_is_sendable(code) || len > CLOSE_REASON_MAX ||
        !utf8_is_valid(reason ? reason : "", len))
        return CREW_EINVAL;
    conn_close(conn, CREW_CLOSE_LOCAL, code, reason);
    return 0;
}

void crew_conn_destroy(crew_conn *conn) {
    if (!conn)
        return;
    conn_end(conn, CREW_CLOSE_LOCAL, 0);
}

void crew_conn_pause(crew_conn *conn) {
    if (conn)
        conn_pause(conn);
}

void crew_conn_resume(crew_conn *conn) {
    if (conn)
        conn_resume(conn);
}

int crew_conn_authenticated(crew_conn *conn) {
    return conn ? conn_authenticate(conn) : CREW_ENOENT;
}

crew_id crew_conn_id(const crew_conn *conn) {
    return conn ? conn->id : 0;
}

static bool is_known(const struct crew_conn *conn) {
    return conn->is_announced && conn->state != CONN_ENDED;
}

crew_conn *crew_conn_find(crew_id id) {
    struct crew_conn *conn = idmap_find(&worker_self()->conns.ids, id);
    return conn && is_known(conn) ? conn : NULL;
}

void crew_conn_set_data(crew_conn *conn, void *data, void (*destructor)(void *data)) {
    if (!conn)
        return;
    app_handler_set_data(conn, &conn->app_data, (struct app_data){data, destructor});
}

void *crew_conn_data(const crew_conn *conn) {
    return conn ? conn->app_data.data : NULL;
}

void crew_conn_peer_sized(const crew_conn *conn, struct crew_addr *out_addr, size_t size) {
    struct crew_addr addr = {0};
    if (conn)
        address_show(conn_address(conn), &addr);
    sized_copy(out_addr, size, &addr, sizeof(addr));
}

void crew_conn_local_sized(const crew_conn *conn, struct crew_addr *out_addr, size_t size) {
    struct crew_addr addr = {0};
    if (conn)
        conn->endpoint->transport->local(conn, &addr);
    sized_copy(out_addr, size, &addr, sizeof(addr));
}

static struct crew_conn_stats stats_of(const struct crew_conn *conn) {
    const struct reaper *reaper = &conn->endpoint->reaper;
    uint64_t now_s = conns_now(conns_of(conn)) / 1000;
    return (struct crew_conn_stats){
        .bytes_in = conn->bytes_in,
        .bytes_out = conn->bytes_out,
        .messages_in = conn->messages_in,
        .messages_out = conn->messages_out,
        .queued = conn->out.bytes,
        .idle_ms = (uint64_t)(reaper->lists.tick - conn->liveness.received) * reaper->tick_ms,
        .rtt_ms = conn->rtt_ms,
        .age_ms = (uint64_t)((uint32_t)now_s - conn->accepted_s) * 1000,
    };
}

void crew_conn_stats_sized(const crew_conn *conn, struct crew_conn_stats *out_stats,
                           size_t size) {
    struct crew_conn_stats stats = {0};
    if (conn)
        stats = stats_of(conn);
    sized_copy(out_stats, size, &stats, sizeof(stats));
}

int crew_conn_close_code(const crew_conn *conn) {
    if (!conn)
        return 0;
    if (conn->protocol != &protocol_websocket)
        return 0;
    return conn->close_code ? conn->close_code : WS_CODE_ABNORMAL;
}

const char *crew_conn_service(const crew_conn *conn) {
    return conn ? service_of(conn)->config->name : "";
}

const struct crew_service_ref *crew_conn_service_ref(const crew_conn *conn) {
    return conn ? &service_of(conn)->ref : NULL;
}

void *crew_conn_state(const crew_conn *conn) {
    return conn ? conn_app_state(conn) : NULL;
}

size_t crew_conn_count(void) {
    return worker_self()->conns.count;
}

/* No connection leaves the list while app code runs; new ones come at its end. */
int crew_conn_each(int (*visit)(crew_conn *conn, void *arg), void *arg) {
    struct conns *conns = &worker_self()->conns;
    struct list *node;
    list_each (node, &conns->all) {
        struct crew_conn *conn = list_entry(node, struct crew_conn, in_all);
        if (!is_known(conn))
            continue;
        int result = app_handler_visit(conn, visit, arg);
        if (result != 0)
            return result;
    }
    return 0;
}
