/* SPDX-License-Identifier: MIT
 *
 * The way in of a connection. Called by conn.c only.
 */
#ifndef CREWMAN_CONN_IN_H
#define CREWMAN_CONN_IN_H

#include "conn.h"

/* The socket has something: read it, a bounded amount of it. */
void conn_read(struct crew_conn *conn);

/* Nothing is read now, and the peer has sent its last byte, or the socket is broken. */
void conn_hang_up(struct crew_conn *conn);

/* Hand what came to the protocol, behind what it had left. */
void conn_receive(struct crew_conn *conn, char *data, size_t len);

/* What stands before the transport's first byte: 1 it has come whole, 0 more is awaited, or a
 * negative error. It is read from the socket itself, and not a byte behind it is. */
int conn_read_preface(struct crew_conn *conn);

#endif
