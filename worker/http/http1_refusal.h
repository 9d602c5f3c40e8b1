/* SPDX-License-Identifier: MIT
 *
 * What the server itself says on an HTTP/1 connection that it gives up: an error in place of
 * the answer that the app does not give any more, or none. The connection ends behind it.
 * Called by protocol_http.c, which knows when.
 */
#ifndef CREWMAN_HTTP1_REFUSAL_H
#define CREWMAN_HTTP1_REFUSAL_H

struct crew_conn;

/* The error alone; no answer has begun. */
void http1_refusal_send(struct crew_conn *conn, int status, const char *text);

/* Tell the app (`error`), answer with `status` unless it has answered then, and close. */
void http1_refusal_begin(struct crew_conn *conn, int status, int error, const char *text);

/* As protocol.goodbye() and turn_away(). */
void http1_refusal_goodbye(struct crew_conn *conn, int code, const char *text);
void http1_refusal_turn_away(struct crew_conn *conn, int status);

#endif
