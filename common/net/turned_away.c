/* SPDX-License-Identifier: MIT
 *
 * See turned_away.h.
 */
#include "turned_away.h"

#include "conn_close.h"

/* Behind the last words: nothing of the protocol's own has begun, so nothing of it may be asked
 * to end. What the peer still sends is read and dropped. */
static const struct protocol protocol_turned_away = {.name = "turned away"};

void turned_away_begin(struct crew_conn *conn, int status) {
    conn->is_turned_away = true;
    conn->close_code = (uint16_t)status;
    conn->endpoint->turned_away++;
}

void turned_away_tell(struct crew_conn *conn) {
    const struct protocol *protocol = conn->protocol;
    conn->layer = LAYER_PROTOCOL;
    if (protocol->turn_away)
        protocol->turn_away(conn, conn->close_code);
    conn->protocol = &protocol_turned_away;
    conn_finish(conn, CREW_CLOSE_LIMIT);
    if (conn->endpoint->transport->has_more)
        conns_later(conn); /* bytes behind its handshake */
}

void turned_away_done(struct crew_conn *conn) {
    if (conn->is_turned_away)
        conn->endpoint->turned_away--;
}
