/* SPDX-License-Identifier: MIT
 *
 * WebSocket after the opening handshake, which is a request (handshake.h).
 */
#ifndef CREWMAN_WS_H
#define CREWMAN_WS_H

#include <stddef.h>

#include "protocol.h"

struct ws_deflate_terms;

extern const struct protocol protocol_websocket;

/* The handshake is done: speak WebSocket from here on. `terms` NULL: without
 * permessage-deflate. `response` goes out first. */
void protocol_websocket_begin(struct crew_conn *conn, const struct ws_deflate_terms *terms,
                              const char *response, size_t len);

#endif
