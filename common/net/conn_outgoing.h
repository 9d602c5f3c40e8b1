/* SPDX-License-Identifier: MIT
 *
 * What the files of the way out share, and nobody else includes: one piece that is to be sent,
 * and the steps of it that each message takes.
 */
#ifndef CREWMAN_CONN_OUTGOING_H
#define CREWMAN_CONN_OUTGOING_H

#include "conn.h"
#include "conn_queue.h"
#include "outstanding.h"

/* Of one write. */
#define OUTGOING_PARTS_MAX 64

/* What is to be sent as one piece. `shared`: `parts` is all of this buffer, of which a queue
 * takes a reference in place of a copy. */
struct outgoing {
    const struct iovec *parts;
    int count;
    struct buf *shared;
};

static inline size_t outgoing_size(const struct iovec *parts, int count) {
    size_t total = 0;
    for (int i = 0; i < count; i++)
        total += parts[i].iov_len;
    return total;
}

static inline ssize_t outgoing_note_bytes(struct crew_conn *conn, ssize_t sent) {
    if (sent > 0) {
        conn->bytes_out += (uint64_t)sent;
        conns_of(conn)->totals.bytes_out += (uint64_t)sent;
        if (conn->is_paused && !conn->outstanding) /* without memory: at the next write */
            (void)outstanding_watch_pause(conn);
    }
    return sent;
}

static inline int outgoing_note_message(struct crew_conn *conn, int result) {
    if (result >= 0) {
        conn->messages_out++;
        conns_of(conn)->totals.messages_out++;
    }
    return result;
}

/* What the transport took, 0 when it has no room, or a negative error. */
static inline ssize_t outgoing_send(struct crew_conn *conn, const struct iovec *parts,
                                    int count, bool has_more) {
    return outgoing_note_bytes(conn,
                               conn->endpoint->transport->write(conn, parts, count, has_more));
}

/* The queue is empty: straight to the kernel, and the rest into the queue. */
static inline int outgoing_write(struct crew_conn *conn, const struct outgoing *outgoing) {
    size_t total = outgoing_size(outgoing->parts, outgoing->count);
    ssize_t sent = outgoing_send(conn, outgoing->parts, outgoing->count, false);
    return sent == (ssize_t)total ? CREW_SENT : conn_queue_rest(conn, outgoing, sent);
}

static inline int outgoing_append(struct crew_conn *conn, const struct outgoing *outgoing,
                                  size_t skip) {
    struct budget *budget = &conns_of(conn)->budget;
    return outgoing->shared
               ? sendq_append_buf(&conn->out, budget, outgoing->shared, skip)
               : sendq_append(&conn->out, budget, outgoing->parts, outgoing->count, skip);
}

#endif
