/* SPDX-License-Identifier: MIT
 *
 * Which deadline a connection is under. The session says what it awaits of its peer
 * (conn->awaits). That the peer takes what is queued for it goes first, and while the app has
 * paused the connection the peer cannot be late with anything else. The clock of a deadline
 * starts when it becomes the one that counts. Called by everything that changes one of these.
 */
#include "conn.h"
#include "worker.h"

static enum deadline deadline_of(const struct crew_conn *conn) {
    if (conn->state == CONN_ENDED)
        return DEADLINE_NONE;
    if (conn->state == CONN_CLOSING)
        return DEADLINE_CLOSE;
    if (conn->state == CONN_OPEN && conn->out.bytes > 0 && !conn->session->has_heartbeat)
        return DEADLINE_SEND;
    return conn->is_paused ? DEADLINE_NONE : (enum deadline)conn->awaits;
}

static void start(struct crew_conn *conn, enum deadline deadline) {
    liveness_deadline(&conn->worker->reaper.lists, &conn->liveness, deadline);
}

void conn_await(struct crew_conn *conn, enum deadline deadline) {
    conn->awaits = (uint8_t)deadline;
    enum deadline now = deadline_of(conn);
    if (now == deadline || now != conn->liveness.deadline)
        start(conn, now);
}

void conn_check_deadline(struct crew_conn *conn) {
    enum deadline now = deadline_of(conn);
    if (now != conn->liveness.deadline)
        start(conn, now);
}

void conn_restart_deadline(struct crew_conn *conn) {
    start(conn, deadline_of(conn));
}
