/* SPDX-License-Identifier: MIT
 *
 * What the client of a protocol sends, for the peers of the memory transport.
 */
#ifndef CREWMAN_TEST_SAY_H
#define CREWMAN_TEST_SAY_H

#include <stddef.h>

#include "memory.h"

enum {
    SAY_TEXT = 0x81, /* FIN and opcode, RFC 6455 section 5.2 */
    SAY_BINARY = 0x82,
    SAY_CLOSE = 0x88,
    SAY_PING = 0x89,
    SAY_PONG = 0x8a
};

#define SAY_DEFLATE "permessage-deflate"
#define SAY_GET     "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"

/* A WebSocket client's opening handshake; `extensions` NULL: offers none. */
void say_handshake(struct peer *peer, const char *extensions);

/* A WebSocket frame as a client sends it, masked. */
void say_frame(struct peer *peer, unsigned first, const void *data, size_t len);
void say_text(struct peer *peer, const char *text);
void say_close(struct peer *peer, unsigned code); /* 0: without a code */

#endif
