/* SPDX-License-Identifier: MIT
 *
 * A connection that is accepted only to be told that there is no place for it. It goes through
 * its preface and its transport's handshake like any other, so that the answer can be read by
 * whoever waits for it; its protocol says why, if it can, and then the connection closes
 * politely: a reset would destroy the answer on its way. The app never hears of it. Called by
 * conn.c; who is turned away is decided by endpoint_ops.admits().
 */
#ifndef CREWMAN_TURNED_AWAY_H
#define CREWMAN_TURNED_AWAY_H

struct crew_conn;

/* It will be, with the HTTP `status`: from now on it takes no place. */
void turned_away_begin(struct crew_conn *conn, int status);

/* Its transport is ready: say so, and close. */
void turned_away_tell(struct crew_conn *conn);

/* It is about to be freed; nothing to do for any other connection. */
void turned_away_done(struct crew_conn *conn);

#endif
