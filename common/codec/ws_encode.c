/* SPDX-License-Identifier: MIT
 *
 * What a server sends: see ws_encode.h.
 */
#include "ws_encode.h"

#include <string.h>

#include "utf8.h"

#define FIRST_CLOSE 0x88u /* FIN and opcode */
#define REASON_MAX  123u

size_t ws_encode_header(unsigned char out[WS_HEADER_MAX], unsigned first_byte, uint64_t len) {
    out[0] = (unsigned char)first_byte;
    if (len < 126) {
        out[1] = (unsigned char)len;
        return 2;
    }
    size_t extended = len <= UINT16_MAX ? 2 : 8;
    out[1] = extended == 2 ? 126 : 127;
    for (size_t i = 0; i < extended; i++)
        out[2 + i] = (unsigned char)(len >> (8 * (extended - 1 - i)));
    return 2 + extended;
}

static size_t cut(const char *reason, size_t len) {
    if (len <= REASON_MAX)
        return len;
    len = REASON_MAX;
    while (len > 0 && ((unsigned char)reason[len] & 0xc0) == 0x80)
        len--;
    return len;
}

size_t ws_encode_close(char out[WS_CLOSE_MAX], int code, const char *reason,
                       size_t reason_len) {
    out[0] = (char)FIRST_CLOSE;
    out[1] = 0;
    if (!ws_close_code_is_sendable(code))
        return 2;
    size_t len = reason ? cut(reason, reason_len) : 0;
    if (len > 0 && !utf8_is_valid(reason, len))
        len = 0;
    out[1] = (char)(2 + len);
    out[2] = (char)(code >> 8);
    out[3] = (char)(code & 0xff);
    if (len > 0)
        memcpy(out + 4, reason, len);
    return 4 + len;
}

/* 1004 is reserved, 1005, 1006 and 1015 are never on the wire; 1012 to 1014 were registered
 * with IANA later. */
bool ws_close_code_is_sendable(int code) {
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}
