/* SPDX-License-Identifier: MIT
 *
 * The state of a connection: the only writer of it, of what its transport is watched for, and
 * of the deadline that counts.
 */
#ifndef CREWMAN_CONN_STATE_H
#define CREWMAN_CONN_STATE_H

#include "conn.h"

/* Only forward. */
void conn_set_state(struct crew_conn *conn, enum conn_state state);

/* End at once. `error` 0, or what on_error shall be called with just before on_close. */
void conn_end(struct crew_conn *conn, int reason, int error);

/* Watch for what the state asks for. */
void conn_update_poll(struct crew_conn *conn);

/* Stop reading, and go on; harmless twice, and once it is closing. */
void conn_pause(struct crew_conn *conn);
void conn_resume(struct crew_conn *conn);

/* The peer has sent its last byte, before which something waits for the app to go on. */
void conn_note_hang_up(struct crew_conn *conn);

/* Was something received that the protocol has not handed out? */
bool conn_has_rest(const struct crew_conn *conn);

void conn_discard_stash(struct crew_conn *conn);

/* Await something of the peer, from now on; DEADLINE_NONE: it is the app's turn. */
void conn_await(struct crew_conn *conn, enum deadline deadline);

/* The state, the queue or the pause has changed. */
void conn_check_deadline(struct crew_conn *conn);

/* The same, and the peer has made progress: from now on. */
void conn_restart_deadline(struct crew_conn *conn);

#endif
