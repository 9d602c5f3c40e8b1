/* SPDX-License-Identifier: MIT
 *
 * The WebSocket opening handshake: from a request that asks for it to the 101, or a refusal.
 */
#ifndef CREWMAN_HANDSHAKE_H
#define CREWMAN_HANDSHAKE_H

struct crew_conn;
struct crew_request;

/* Answer it: afterwards the connection speaks WebSocket, or has been refused, or closed by the
 * app. */
void handshake_answer(struct crew_conn *conn, struct crew_request *request);

#endif
