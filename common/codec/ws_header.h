/* SPDX-License-Identifier: MIT
 *
 * The header of one WebSocket frame (RFC 6455 section 5.2) as a client must send it, and every
 * rule that can be judged from it. Called by ws_decoder only.
 */
#ifndef CREWMAN_WS_HEADER_H
#define CREWMAN_WS_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WS_CLIENT_HEADER_MAX 14u /* two bytes, a length of eight, a mask of four */

enum ws_opcode {
    WS_OP_CONTINUATION = 0x0,
    WS_OP_TEXT = 0x1,
    WS_OP_BINARY = 0x2,
    WS_OP_CLOSE = 0x8,
    WS_OP_PING = 0x9,
    WS_OP_PONG = 0xa
};

/* What a peer can do wrong; each with its close code and text. */
enum ws_fault {
    WS_FAULT_NONE,
    WS_FAULT_RSV,
    WS_FAULT_OPCODE,
    WS_FAULT_CONTROL_FRAGMENTED,
    WS_FAULT_CONTROL_LENGTH,
    WS_FAULT_CONTINUATION,
    WS_FAULT_INTERLEAVED,
    WS_FAULT_UNMASKED,
    WS_FAULT_LENGTH_ENCODING,
    WS_FAULT_LENGTH_SIGN,
    WS_FAULT_TOO_BIG,
    WS_FAULT_UTF8,
    WS_FAULT_CLOSE_LENGTH,
    WS_FAULT_CLOSE_CODE,
    WS_FAULT_CLOSE_UTF8,
    WS_FAULT_DEFLATE,
    WS_FAULT_MEMORY
};

int ws_fault_code(enum ws_fault fault);
const char *ws_fault_text(enum ws_fault fault);

/* What is allowed at this place of the stream. */
struct ws_rules {
    bool in_message;     /* a fragmented message is not complete */
    bool allows_deflate; /* RSV1 may begin a message: permessage-deflate was negotiated */
    uint64_t room;       /* bytes that the message may still have */
    bool is_compressed;  /* the message in progress is: `room` says nothing of its frames */
};

struct ws_header {
    uint64_t len;
    uint32_t mask; /* as it lies in memory */
    uint8_t opcode;
    bool is_final;
    bool is_compressed; /* RSV1 */
};

/* The number of bytes of the header; 0: it is not complete, and not wrong so far; negative:
 * minus an enum ws_fault. */
int ws_header_parse(const char *data, size_t len, const struct ws_rules *rules,
                    struct ws_header *out_header);

static inline bool ws_opcode_is_control(unsigned opcode) {
    return (opcode & 0x8) != 0;
}

#endif
