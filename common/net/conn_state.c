/* SPDX-License-Identifier: MIT
 *
 * See conn_state.h. The lowest of the files conn*.c: each of the others may end a connection.
 *
 * Which deadline a connection is under: the protocol says what it awaits of its peer
 * (conn->awaits). While an answer is on its way the next request is not awaited, and while the
 * app has paused the connection the peer cannot be late with anything. The clock of a deadline
 * starts when it becomes the one that counts. Whether the peer takes what it is sent is watched
 * beside that: outstanding.h.
 */
#include "conn_state.h"

#include <assert.h>
#include <stdlib.h>

#include "conn_memory.h"
#include "outstanding.h"

void conn_set_state(struct crew_conn *conn, enum conn_state state) {
    assert((uint8_t)state >= conn->state);
    conn->state = (uint8_t)state;
}

void conn_end(struct crew_conn *conn, int reason, int error) {
    if (conn->state == CONN_ENDED)
        return;
    if (conn->state != CONN_CLOSING)
        conn->reason = (uint8_t)reason & 15u;
    conn_set_state(conn, CONN_ENDED);
    conn->error = (int16_t)error; /* of the system or ours: above -6000 */
    liveness_remove(&conn->liveness);
    if (conn_guest(conn))
        guests_remove(conn_guest(conn));
    conns_due(conn);
}

/* Who is not read now still hangs up. That is told again and again while the socket is watched
 * for room too: once it is known it is not asked for beside that. */
static int wanted_of(const struct crew_conn *conn) {
    int wanted = 0;
    bool is_held = conn->is_paused || conn->is_backlogged;
    if (conn->out.bytes > 0 && !conn->is_gathering && conn->state != CONN_OPENING)
        wanted |= POLLER_WRITABLE;
    if (conn->has_eof)
        return wanted;
    if (!is_held || conn->state >= CONN_CLOSING)
        return wanted | POLLER_READABLE;
    return conn->has_hung_up && wanted ? wanted : wanted | POLLER_HANGUP;
}

void conn_update_poll(struct crew_conn *conn) {
    int wanted = wanted_of(conn), before = conn->polled;
    if (wanted == before)
        return;
    int err = conn->endpoint->transport->interest(conn, before, wanted);
    if (!err)
        conn->polled = (uint8_t)wanted & 7u;
    if (!err && (wanted & ~before & POLLER_WRITABLE))
        err = outstanding_watch_queue(conn);
    if (err)
        conn_end(conn, CREW_CLOSE_MEMORY, err);
}

bool conn_has_rest(const struct crew_conn *conn) {
    return conn->stash || (conn->protocol->has_rest && conn->protocol->has_rest(conn));
}

void conn_discard_stash(struct crew_conn *conn) {
    free(conn->stash);
    conn->stash = NULL;
}

static enum deadline deadline_of(const struct crew_conn *conn) {
    if (conn->state == CONN_ENDED)
        return DEADLINE_NONE;
    if (conn->state == CONN_CLOSING)
        return DEADLINE_CLOSE;
    bool is_answering = conn->state == CONN_OPEN && conn->out.bytes > 0 &&
                        !conn->is_gathering && conn->awaits != DEADLINE_MESSAGE;
    return conn->is_paused || is_answering ? DEADLINE_NONE : (enum deadline)conn->awaits;
}

static void start(struct crew_conn *conn, enum deadline deadline) {
    liveness_deadline(&conn->endpoint->reaper.lists, &conn->liveness, deadline);
}

void conn_await(struct crew_conn *conn, enum deadline deadline) {
    conn->awaits = (uint8_t)deadline & 7u;
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

/* A pause is not the peer's silence, unless that has ended: then the app has idle_timeout to
 * come for what is left. */
static void check_silence(struct crew_conn *conn) {
    if (conn->is_paused ? conn->has_hung_up : conn->protocol->has_heartbeat)
        liveness_resume(&conn->endpoint->reaper.lists, &conn->liveness);
    else
        liveness_suspend(&conn->liveness);
}

void conn_note_hang_up(struct crew_conn *conn) {
    if (conn->has_hung_up)
        return;
    conn->has_hung_up = true;
    check_silence(conn);
    conn_update_poll(conn);
}

void conn_pause(struct crew_conn *conn) {
    if (conn->state >= CONN_CLOSING || conn->is_paused)
        return;
    conn->is_paused = true;
    check_silence(conn);
    if (outstanding_has_any(conn) && outstanding_watch_pause(conn) != 0) {
        conn_end(conn, CREW_CLOSE_MEMORY, CREW_ENOMEM);
        return;
    }
    conn_check_deadline(conn);
    conn_update_poll(conn);
}

void conn_resume(struct crew_conn *conn) {
    if (conn->state >= CONN_CLOSING || !conn->is_paused)
        return;
    conn->is_paused = false;
    check_silence(conn);
    conn_check_deadline(conn);
    conn_update_poll(conn);
    /* No event tells of what the transport has read already. */
    if (conn_has_rest(conn) || conn->endpoint->transport->has_more)
        conns_due(conn);
}
