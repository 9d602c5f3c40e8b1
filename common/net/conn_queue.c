/* SPDX-License-Identifier: MIT
 *
 * See conn_queue.h. What the kernel does not take stays queued, and the poller watches for
 * room. High-water mark: on_buffer_full above it, on_buffer_drain at empty; a write has been
 * tried before either.
 */
#include "conn_queue.h"

#include "conn_outgoing.h"
#include "conn_state.h"

/* What one connection may send of files in one turn of the loop: its peer may be as fast as we
 * are, and others wait. */
#define FILE_TURN_MAX (1024u * 1024u)

static ssize_t send_file(struct crew_conn *conn, int fd, uint64_t offset, size_t len) {
    return outgoing_note_bytes(conn,
                               conn->endpoint->transport->send_file(conn, fd, offset, len));
}

int conn_check_mark(struct crew_conn *conn) {
    if (conn_is_below_mark(conn))
        return CREW_SENT;
    if (!conn->is_over && conn->state <= CONN_OPEN) {
        conn->is_over = true;
        conn->endpoint->handler->buffer_full(conn);
    }
    return CREW_QUEUED;
}

bool conn_is_taking(struct crew_conn *conn) {
    uint32_t before = conn->unacknowledged;
    int64_t left = conn->endpoint->transport->unsent(conn);
    if (left < 0)
        return false;
    conn->unacknowledged = (uint32_t)left;
    return conn->unacknowledged < before;
}

/* A peer that takes its answer slowly is waited for as long as it takes some of it. */
static void note_progress(struct crew_conn *conn) {
    if (conn->state != CONN_CLOSING &&
        (conn->state != CONN_OPEN || conn->protocol->has_heartbeat))
        return;
    (void)conn_is_taking(conn);
    conn_restart_deadline(conn);
}

int conn_queue(struct crew_conn *conn, const struct outgoing *outgoing, size_t skip) {
    bool was_empty = conn->out.bytes == 0;
    if (outgoing_append(conn, outgoing, skip) != 0)
        return CREW_ENOMEM;
    if (conn->state != CONN_ENDED) {
        if (was_empty) /* more of ours is no sign of life of the peer */
            note_progress(conn);
        conn_update_poll(conn);
    }
    return conn_check_mark(conn);
}

/* Once a byte has gone the rest must be kept, or the stream is broken. */
int conn_queue_rest(struct crew_conn *conn, const struct outgoing *outgoing, ssize_t sent) {
    if (sent < 0) {
        conn_end(conn, CREW_CLOSE_IO, (int)sent);
        return CREW_ECLOSED;
    }
    int result = conn_queue(conn, outgoing, (size_t)sent);
    if (result == CREW_ENOMEM)
        conn_end(conn, CREW_CLOSE_MEMORY, CREW_ENOMEM);
    return result;
}

/* What comes first in the queue. Answers what the kernel took of `*out_offered`, or a negative
 * errno number. */
static ssize_t send_first(struct crew_conn *conn, size_t *out_offered) {
    struct iovec parts[OUTGOING_PARTS_MAX];
    int fd;
    uint64_t offset;
    size_t len;
    if (sendq_peek_file(&conn->out, &fd, &offset, &len)) {
        *out_offered = len < FILE_TURN_MAX ? len : FILE_TURN_MAX;
        return send_file(conn, fd, offset, *out_offered);
    }
    int count = sendq_peek(&conn->out, parts, OUTGOING_PARTS_MAX);
    *out_offered = outgoing_size(parts, count);
    bool has_more = *out_offered < conn->out.bytes;
    return outgoing_send(conn, parts, count, has_more);
}

/* Answers whether anything went. */
static bool send_queued(struct crew_conn *conn) {
    size_t in_turn = 0;
    bool has_sent = false;
    while (conn->out.bytes > 0 && in_turn < FILE_TURN_MAX) {
        size_t offered;
        bool is_file = conn->out.file_bytes > 0;
        ssize_t sent = send_first(conn, &offered);
        if (sent < 0) {
            conn_end(conn, CREW_CLOSE_IO, (int)sent);
            return false;
        }
        sendq_drop(&conn->out, (size_t)sent);
        has_sent = has_sent || sent > 0;
        if ((size_t)sent < offered)
            break;
        in_turn += is_file ? (size_t)sent : 0;
    }
    return has_sent;
}

void conn_tell_drained(struct crew_conn *conn) {
    if (!conn->is_over || conn->out.bytes > 0 || conn->state == CONN_OPENING)
        return;
    conn->is_over = false;
    if (conn->state == CONN_OPEN)
        conn->endpoint->handler->buffer_drain(conn);
}

/* `tells`: also the app, that all has gone. */
static void flush(struct crew_conn *conn, bool tells) {
    bool was_gathering = conn->is_gathering;
    conn->is_gathering = false;
    bool has_sent = send_queued(conn);
    if (conn->state == CONN_ENDED)
        return;
    /* What nobody has waited for yet is no progress; what is left of it begins to wait. */
    if (was_gathering ? conn->out.bytes > 0 : has_sent)
        note_progress(conn);
    if (conn->out.bytes == 0) {
        if (tells)
            conn_tell_drained(conn);
        if (conn->protocol->drained && conn->state == CONN_OPEN && conn->out.bytes == 0)
            conn->protocol->drained(conn);
    }
    if (conn->state != CONN_ENDED)
        conn_update_poll(conn);
}

void conn_flush(struct crew_conn *conn) {
    flush(conn, true);
}

void conn_flush_before(struct crew_conn *conn) {
    flush(conn, false);
}

void conn_flush_last(struct crew_conn *conn) {
    struct iovec parts[OUTGOING_PARTS_MAX];
    ssize_t sent = conn->is_gathering;
    conn->is_gathering = false;
    while (sent > 0) {
        int count = sendq_peek(&conn->out, parts, OUTGOING_PARTS_MAX);
        sent = count > 0 ? outgoing_send(conn, parts, count, false) : 0;
        if (sent > 0)
            sendq_drop(&conn->out, (size_t)sent);
    }
}
