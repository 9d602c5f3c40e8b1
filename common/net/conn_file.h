/* SPDX-License-Identifier: MIT
 *
 * Runs of files on the way out of a connection: bodies of answers, which the kernel moves from
 * its file cache to the socket.
 */
#ifndef CREWMAN_CONN_FILE_H
#define CREWMAN_CONN_FILE_H

#include "conn.h"

/* Send `len` bytes of `source` from `offset` on, behind a head that announced them. A long run
 * goes from the kernel's file cache to the socket as the peer takes it, and holds a reference
 * meanwhile; it counts neither to max_send_buffer nor to the high-water mark. A file that has
 * become shorter ends the connection, as what was announced cannot be kept. CREW_SENT,
 * CREW_ECLOSED. Behind the last run of an answer conn_flush_files() must be called. */
int conn_write_file(struct crew_conn *conn, struct source *source, uint64_t offset, size_t len);

/* Give the kernel what it takes now of queued files, and wait for the rest: mostly the peer has
 * room for all, and no turn of the loop is needed. CREW_SENT, CREW_ECLOSED. */
int conn_flush_files(struct crew_conn *conn);

#endif
