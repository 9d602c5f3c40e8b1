/* SPDX-License-Identifier: MIT
 *
 * See conn_out.h. Each way in has its own bound: what the app sends max_send_buffer, an answer
 * none, what the protocol must say a share that the peer has to take. A datagram goes whole or
 * not at all, and is never queued.
 */
#include "conn_out.h"

#include "conn_cork.h"
#include "conn_outgoing.h"
#include "conn_state.h"

/* Whole or not at all. One that is lent for a datagram has no id and is ENDED from the start.
 */
static int write_message(struct crew_conn *conn, const struct iovec *parts, int count) {
    bool is_over = conn->id != 0 && conn->state > CONN_OPEN;
    ssize_t sent = is_over ? CREW_ECLOSED : outgoing_send(conn, parts, count, false);
    return sent < 0 ? (int)sent : CREW_SENT;
}

static int write_stream(struct crew_conn *conn, const struct outgoing *outgoing) {
    size_t total = outgoing_size(outgoing->parts, outgoing->count);
    if (conn->is_gathering && !conn_fits(conn, total))
        conn_flush_before(conn);
    if (conn->state > CONN_OPEN)
        return CREW_ECLOSED;
    return conn_fits(conn, total) ? conn_cork_write(conn, outgoing, total) : CREW_EFULL;
}

static int write_any(struct crew_conn *conn, const struct outgoing *outgoing) {
    int result = conn->endpoint->transport->keeps_boundaries
                     ? write_message(conn, outgoing->parts, outgoing->count)
                     : write_stream(conn, outgoing);
    if (result < 0)
        conns_of(conn)->totals.send_failures++;
    return outgoing_note_message(conn, result);
}

int conn_write(struct crew_conn *conn, const struct iovec *parts, int count) {
    return write_any(conn, &(struct outgoing){.parts = parts, .count = count});
}

int conn_write_shared(struct crew_conn *conn, struct buf *buf) {
    const struct iovec part = {.iov_base = buf->data, .iov_len = buf->len};
    return write_any(conn, &(struct outgoing){.parts = &part, .count = 1, .shared = buf});
}

int conn_write_answer(struct crew_conn *conn, const struct iovec *parts, int count) {
    if (conn->state > CONN_OPEN)
        return CREW_ECLOSED;
    const struct outgoing outgoing = {.parts = parts, .count = count};
    int result = conn_cork_write(conn, &outgoing, outgoing_size(parts, count));
    return outgoing_note_message(conn, result);
}

int conn_write_control(struct crew_conn *conn, const void *data, size_t len) {
    const struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
    if (conn->state == CONN_ENDED)
        return CREW_ECLOSED;
    return conn_cork_write(conn, &(struct outgoing){.parts = &part, .count = 1}, len);
}

/* What is gathered leaves soon, and its bound is small. */
int conn_write_latest(struct crew_conn *conn, const void *data, size_t len) {
    if (conn->out.bytes == 0 || conn->is_gathering)
        return conn_write_control(conn, data, len);
    if (conn->state == CONN_ENDED)
        return CREW_ECLOSED;
    return sendq_put_latest(&conn->out, &conns_of(conn)->budget, data, len) == 0 ? CREW_QUEUED
                                                                                 : CREW_ENOMEM;
}
