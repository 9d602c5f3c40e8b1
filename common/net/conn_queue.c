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

/* It has begun, grown or gone. */
static void note_queue(struct crew_conn *conn) {
    if (conn->state == CONN_ENDED)
        return;
    conn_check_deadline(conn);
    conn_update_poll(conn);
}

int conn_queue(struct crew_conn *conn, const struct outgoing *outgoing, size_t skip) {
    if (outgoing_append(conn, outgoing, skip) != 0)
        return CREW_ENOMEM;
    note_queue(conn);
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

static void send_queued(struct crew_conn *conn) {
    size_t in_turn = 0;
    while (conn->out.bytes > 0 && in_turn < FILE_TURN_MAX) {
        size_t offered;
        bool is_file = conn->out.file_bytes > 0;
        ssize_t sent = send_first(conn, &offered);
        if (sent < 0) {
            conn_end(conn, CREW_CLOSE_IO, (int)sent);
            return;
        }
        sendq_drop(&conn->out, (size_t)sent);
        if ((size_t)sent < offered)
            break;
        in_turn += is_file ? (size_t)sent : 0;
    }
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
    conn->is_gathering = false;
    send_queued(conn);
    if (conn->state == CONN_ENDED)
        return;
    if (conn->out.bytes == 0) {
        if (tells)
            conn_tell_drained(conn);
        if (conn->protocol->drained && conn->state == CONN_OPEN && conn->out.bytes == 0)
            conn->protocol->drained(conn);
    }
    note_queue(conn);
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
