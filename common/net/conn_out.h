/* SPDX-License-Identifier: MIT
 *
 * The way out of a connection: what the app and the protocol send, to the transport or into the
 * queue.
 */
#ifndef CREWMAN_CONN_OUT_H
#define CREWMAN_CONN_OUT_H

#include "conn.h"

/* Would conn_write() take so much, or answer CREW_EFULL? An empty queue takes anything. */
bool conn_fits(const struct crew_conn *conn, size_t len);

/* Send or queue `parts` as one piece. CREW_SENT, CREW_QUEUED, CREW_EFULL (nothing sent),
 * CREW_ECLOSED, CREW_ENOMEM. */
int conn_write(struct crew_conn *conn, const struct iovec *parts, int count);

/* The same of all of a shared buffer, of which a queue takes a reference in place of a copy. */
int conn_write_shared(struct crew_conn *conn, struct buf *buf);

/* For a short message while the connection is corked: `size` bytes of room behind what is
 * gathered, or NULL when the message must go by conn_write(). What was written there is sent
 * with conn_gathered(), before anything else is sent. */
char *conn_gather(struct crew_conn *conn, size_t size);
int conn_gathered(struct crew_conn *conn, size_t len); /* CREW_SENT */

/* The same for one answer to a request: accepted whatever is queued, as the next request waits
 * until the queue is short. */
int conn_write_answer(struct crew_conn *conn, const struct iovec *parts, int count);

/* Send `len` bytes of `source` from `offset` on, behind a head that announced them. A long run
 * goes from the kernel's file cache to the socket as the peer takes it, and holds a reference
 * meanwhile; it counts neither to max_send_buffer nor to the high-water mark. A file that has
 * become shorter ends the connection, as what was announced cannot be kept. CREW_SENT,
 * CREW_ECLOSED. Behind the last run of an answer conn_flush_files() must be called. */
int conn_write_file(struct crew_conn *conn, struct source *source, uint64_t offset, size_t len);

/* Give the kernel what it takes now of queued files, and wait for the rest: mostly the peer has
 * room for all, and no turn of the loop is needed. CREW_SENT, CREW_ECLOSED. */
int conn_flush_files(struct crew_conn *conn);

/* The same for what the protocol itself must say (pong, close, errors): not held back by
 * max_send_buffer, bounded by what the peer makes us say. */
int conn_write_control(struct crew_conn *conn, const void *data, size_t len);

/* Gather what this connection sends until conn_uncork(), which sends it in one write. */
void conn_cork(struct crew_conn *conn);
void conn_uncork(struct crew_conn *conn);

/* Send what was gathered for the end of the turn; nothing to do without. */
void conn_flush_gathered(struct crew_conn *conn);

/* The same of one that has ENDED: what was accepted before goes, as far as the transport has
 * room.
 */
void conn_flush_last(struct crew_conn *conn);

/* Has anything that was accepted yet to reach the transport? */
bool conn_has_unsent(const struct crew_conn *conn);

/* The socket takes more: send what is queued. */
void conn_flush(struct crew_conn *conn);

/* on_buffer_drain, if it is due: conn_flush() does so itself, but not before on_open. */
void conn_tell_drained(struct crew_conn *conn);

/* Has the peer taken some of what the kernel holds for it, since this was last asked? The
 * socket itself counts as writable again only when a third of a buffer of megabytes is free,
 * which a slow peer needs long for. */
bool conn_is_taking(struct crew_conn *conn);

#endif
