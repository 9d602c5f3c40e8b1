/* SPDX-License-Identifier: MIT
 *
 * The way out of a connection: what the app and the protocol send, and whether it is accepted.
 * conn_cork.h gathers it, conn_queue.h holds what the transport has no room for, conn_file.h
 * sends files.
 */
#ifndef CREWMAN_CONN_OUT_H
#define CREWMAN_CONN_OUT_H

#include "conn.h"

/* Send or queue `parts` as one piece. CREW_SENT, CREW_QUEUED, CREW_EFULL (nothing sent),
 * CREW_ECLOSED, CREW_ENOMEM. */
int conn_write(struct crew_conn *conn, const struct iovec *parts, int count);

/* The same of all of a shared buffer, of which a queue takes a reference in place of a copy. */
int conn_write_shared(struct crew_conn *conn, struct buf *buf);

/* The same for one answer to a request: accepted whatever is queued, as the next request waits
 * until the queue is short. */
int conn_write_answer(struct crew_conn *conn, const struct iovec *parts, int count);

/* The same for what the protocol itself must say (a probe, close, errors): not held back by
 * max_send_buffer, as each is said once, or once for each thing that is taken from the peer
 * while the queue is short. */
int conn_write_control(struct crew_conn *conn, const void *data, size_t len);

/* The same for an answer that the peer may ask for without end (pong): while one waits in the
 * queue, the next takes its place. */
int conn_write_latest(struct crew_conn *conn, const void *data, size_t len);

#endif
