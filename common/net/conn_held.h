/* SPDX-License-Identifier: MIT
 *
 * The memory that one connection costs: itself, what it keeps of what its peer has sent, and
 * its queue (which sendq.c counts by itself). Whatever changes the second part calls
 * conn_count_held() behind that. Called by the files conn*.c, by protocols and by shed.c.
 */
#ifndef CREWMAN_CONN_HELD_H
#define CREWMAN_CONN_HELD_H

#include "conn.h"

/* Count again what it keeps of its peer's: the stash, and what the protocol says. */
void conn_count_again(struct crew_conn *conn);

/* The same, of most connections at next to no cost: they keep nothing. */
static inline void conn_count_held(struct crew_conn *conn) {
    if (conn->as.first || conn->stash || conn->held > 0)
        conn_count_again(conn);
}

/* The connection itself comes, and goes with all that is counted but its queue. */
void conn_begin_held(struct crew_conn *conn);
void conn_end_held(struct crew_conn *conn);

/* All of it; of what other queues have as well its part. Walks over its queue. */
size_t conn_total_held(const struct crew_conn *conn);

#endif
