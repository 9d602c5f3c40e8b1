/* SPDX-License-Identifier: MIT
 *
 * Frames as a server sends them (RFC 6455 section 5): not masked, lengths in their shortest
 * form.
 */
#ifndef CREWMAN_WS_ENCODE_H
#define CREWMAN_WS_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WS_HEADER_MAX 10u
#define WS_CLOSE_MAX  127u /* header and the 125 bytes of a control frame */

/* `first_byte`: FIN, RSV and opcode. Answers the number of bytes written, 2, 4 or 10. */
size_t ws_encode_header(unsigned char out[WS_HEADER_MAX], unsigned first_byte, uint64_t len);

/* A whole close frame. A code that must not be sent, 0 among them, makes an empty one; the
 * reason is cut to 123 bytes, between two characters, and left out when it is not UTF-8.
 * Answers the number of bytes. */
size_t ws_encode_close(char out[WS_CLOSE_MAX], int code, const char *reason, size_t reason_len);

/* May this code stand in a close frame (section 7.4)? 1000–1003, 1007–1014, 3000–4999. */
bool ws_close_code_is_sendable(int code);

#endif
