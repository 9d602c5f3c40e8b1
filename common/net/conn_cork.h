/* SPDX-License-Identifier: MIT
 *
 * What a connection is sent in one turn of the loop leaves in one write: the connection that is
 * being read gathers in the cork buffer, any other in its queue.
 */
#ifndef CREWMAN_CONN_CORK_H
#define CREWMAN_CONN_CORK_H

#include "conn.h"

struct outgoing;

/* Gather what this connection sends until conn_uncork(), which sends it in one write. */
void conn_cork(struct crew_conn *conn);
void conn_uncork(struct crew_conn *conn);

/* For a short message while the connection is corked: `size` bytes of room behind what is
 * gathered, or NULL when the message must go by conn_write(). What was written there is sent
 * with conn_gathered(), before anything else is sent. */
char *conn_gather(struct crew_conn *conn, size_t size);
int conn_gathered(struct crew_conn *conn, size_t len); /* CREW_SENT */

/* Gather, send or queue one piece of `total` bytes, whatever keeps the order; nothing is
 * counted, and only memory is a bound. Answers like conn_write(). */
int conn_cork_write(struct crew_conn *conn, const struct outgoing *outgoing, size_t total);

/* What gathered in the cork goes before what is queued behind this call. 0 or -ENOMEM. */
int conn_cork_queue(struct crew_conn *conn);

/* Send what was gathered for the end of the turn; nothing to do without. */
void conn_flush_gathered(struct crew_conn *conn);

/* Has anything that was accepted yet to reach the transport? */
bool conn_has_unsent(const struct crew_conn *conn);

#endif
