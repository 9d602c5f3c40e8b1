/* SPDX-License-Identifier: MIT
 *
 * What a connection has yet to send: its queue on the way to the transport, with the bound of
 * max_send_buffer and the high-water mark. What has not been asked of the kernel yet is
 * gathered by conn_cork.h.
 */
#ifndef CREWMAN_CONN_QUEUE_H
#define CREWMAN_CONN_QUEUE_H

#include "conn.h"

struct outgoing;

/* Of what is queued, that which lies in memory. */
static inline size_t conn_held_bytes(const struct crew_conn *conn) {
    return conn->out.bytes - conn->out.file_bytes;
}

/* Half of max_send_buffer is the high-water mark. */
static inline size_t conn_mark(const struct crew_conn *conn) {
    return conn->endpoint->settings.max_send_buffer / 2;
}

static inline bool conn_is_below_mark(const struct crew_conn *conn) {
    return conn_held_bytes(conn) <= conn_mark(conn);
}

/* Would conn_write() take so much, or answer CREW_EFULL? Below the mark anything: whoever stops
 * at CREW_QUEUED must never be refused. So the queue holds at most the mark and one message, or
 * max_send_buffer. */
static inline bool conn_fits(const struct crew_conn *conn, size_t len) {
    return conn_is_below_mark(conn) ||
           conn_held_bytes(conn) + len <= conn->endpoint->settings.max_send_buffer;
}

/* on_buffer_full, if it is due: a write must have been tried. CREW_SENT below the mark,
 * CREW_QUEUED above it. */
int conn_check_mark(struct crew_conn *conn);

/* Queue without its first `skip` bytes what the kernel has no room for. CREW_SENT, CREW_QUEUED,
 * CREW_ENOMEM (nothing queued). */
int conn_queue(struct crew_conn *conn, const struct outgoing *outgoing, size_t skip);

/* The same of what a write that took `sent` bytes has left; a negative error ends the
 * connection, and so does a rest that cannot be kept. Also CREW_ECLOSED. */
int conn_queue_rest(struct crew_conn *conn, const struct outgoing *outgoing, ssize_t sent);

/* The socket takes more: send what is queued. */
void conn_flush(struct crew_conn *conn);

/* The same for what is sent now. The app shall not hear of on_buffer_drain inside of its own
 * call: what it sends there would overtake this. That is due only in on_open, and then comes
 * behind it. */
void conn_flush_before(struct crew_conn *conn);

/* The same of one that has ENDED: what was accepted before and gathered goes, as far as the
 * transport has room. */
void conn_flush_last(struct crew_conn *conn);

/* on_buffer_drain, if it is due: conn_flush() does so itself, but not before on_open. */
void conn_tell_drained(struct crew_conn *conn);

#endif
