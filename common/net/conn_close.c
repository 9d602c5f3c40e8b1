/* SPDX-License-Identifier: MIT
 *
 * See conn_close.h.
 */
#include "conn_close.h"

#include "conn_cork.h"
#include "conn_held.h"
#include "conn_queue.h"
#include "conn_state.h"

void conn_step_on(struct crew_conn *conn) {
    const struct transport *transport = conn->endpoint->transport;
    if (conn_has_unsent(conn))
        return;
    if (!transport->shut) { /* the peer is told nothing, and so has nothing to answer */
        conn_end(conn, conn->reason, 0);
        return;
    }
    bool is_awaiting =
        conn->protocol->awaits_goodbye && !conn->has_goodbye && !conn->is_garbled;
    if (is_awaiting && !conn->has_eof)
        return;
    if (conn->has_eof || (conn->has_goodbye && !transport->has_unread(conn))) {
        conn_end(conn, conn->reason, 0);
        return;
    }
    /* Closing now would answer what the peer still sends with a reset, which can destroy our
     * last bytes on their way: say that we are done and wait for its end (RFC 9112 section 9.6
     * says the same for HTTP). */
    if (!conn->is_shut) {
        conn->is_shut = true;
        transport->shut(conn);
    }
}

bool conn_may_hold_goodbye(const struct crew_conn *conn) {
    return conn->stash && (conn->holds_back || conn->protocol->awaits_goodbye);
}

void conn_finish(struct crew_conn *conn, int reason) {
    if (conn->state >= CONN_CLOSING)
        return;
    conn_set_state(conn, CONN_CLOSING);
    conn->reason = (uint8_t)reason & 15u;
    if (conn->stash && !conn_may_hold_goodbye(conn) && conns_of(conn)->feeding != conn) {
        conn_discard_stash(conn);
        conn_count_held(conn);
    }
    liveness_suspend(&conn->liveness);
    conn_restart_deadline(conn);
    conn_update_poll(conn);
    conns_due(conn); /* the last bytes may be gathered still; decide when the event is over */
}

void conn_close(struct crew_conn *conn, int reason, int code, const char *text) {
    if (conn->state >= CONN_CLOSING)
        return;
    if (conn->layer != LAYER_PROTOCOL) { /* who has been told nothing cannot be late with it */
        conn_end(conn, reason, 0);
        return;
    }
    if (conn->protocol->goodbye)
        conn->protocol->goodbye(conn, code, text);
    conn_finish(conn, reason);
}

void conn_report(struct crew_conn *conn, int error, const char *text) {
    struct conns_totals *totals = &conns_of(conn)->totals;
    if (error == CREW_EPROTO)
        totals->protocol_errors++;
    else if (error == CREW_ETOOBIG)
        totals->limit_errors++;
    else if (error == CREW_ETIMEOUT)
        totals->timeouts++;
    if (conn->is_announced)
        conn->endpoint->handler->error(conn, error, text);
}

int conn_reason_of(int error) {
    switch (error) {
    case CREW_ETIMEOUT:
        return CREW_CLOSE_TIMEOUT;
    case CREW_ETOOBIG:
        return CREW_CLOSE_LIMIT;
    case CREW_EPROTO:
        return CREW_CLOSE_PROTOCOL;
    default:
        return CREW_CLOSE_MEMORY;
    }
}

void conn_violate(struct crew_conn *conn, int error, int code, const char *text) {
    if (conn->state >= CONN_CLOSING)
        return;
    conn_report(conn, error, text);
    conn_close(conn, conn_reason_of(error), code, text);
}

void conn_note_goodbye(struct crew_conn *conn, int code) {
    conn->has_goodbye = true;
    conn->close_code = (uint16_t)code;
}

void conn_note_garbled(struct crew_conn *conn) {
    conn->is_garbled = true;
}
