/* SPDX-License-Identifier: MIT
 *
 * Is this request a WebSocket opening handshake (RFC 6455 section 4.2.1)? What is answered is
 * up to the protocol.
 */
#ifndef CREWMAN_WS_HANDSHAKE_H
#define CREWMAN_WS_HANDSHAKE_H

#include "http_head.h"

/* 0: it is, *out_key is the client's key. Otherwise the status to refuse with: 405 (not GET),
 * 426 (no upgrade to websocket wanted, or another version than 13) or 400, and *out_why says
 * why; static. */
int ws_handshake_check(const struct http_head *head, struct http_slice *out_key,
                       const char **out_why);

#endif
