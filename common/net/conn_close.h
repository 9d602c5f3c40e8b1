/* SPDX-License-Identifier: MIT
 *
 * The polite end of a connection, and faults of its peer.
 */
#ifndef CREWMAN_CONN_CLOSE_H
#define CREWMAN_CONN_CLOSE_H

#include "conn.h"

/* Polite end: the protocol says goodbye with `code`, what is queued goes out. `text` NULL or a
 * reason for the peer. */
void conn_close(struct crew_conn *conn, int reason, int code, const char *text);

/* The protocol has written its own last words (an error response): as conn_close() without a
 * goodbye. */
void conn_finish(struct crew_conn *conn, int reason);

/* The peer has said the protocol's goodbye, with `code`; it cannot be understood any more, so
 * that its goodbye is not waited for, only its end. */
void conn_note_goodbye(struct crew_conn *conn, int code);
void conn_note_garbled(struct crew_conn *conn);

/* The peer broke a rule: on_error at once, then conn_close(). `error` CREW_EPROTO,
 * CREW_ETOOBIG, … */
void conn_violate(struct crew_conn *conn, int error, int code, const char *text);

/* The close reason of an error; one that is no fault of the peer's is a lack of room here. */
int conn_reason_of(int error);

/* Count and tell a fault of the peer (on_error); the caller closes. */
void conn_report(struct crew_conn *conn, int error, const char *text);

/* In CLOSING, whenever the queue may have become empty or the peer may have ended: the next
 * step towards the end. */
void conn_step_on(struct crew_conn *conn);

static inline void conn_step_close(struct crew_conn *conn) {
    if (conn->state == CONN_CLOSING)
        conn_step_on(conn);
}

/* In CLOSING: may the peer's goodbye be in what was held back, by the protocol or a pause? */
bool conn_may_hold_goodbye(const struct crew_conn *conn);

#endif
