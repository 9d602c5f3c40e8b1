/* SPDX-License-Identifier: MIT
 *
 * Frame headers: see ws_header.h. The rules are asked in the order of the bytes, so that the
 * answer does not depend on how many of them have come.
 */
#include "ws_header.h"

#include <string.h>

#define FIN             0x80u
#define RSV1            0x40u
#define RSV_23          0x30u
#define OPCODE          0x0fu
#define MASKED          0x80u
#define LENGTH          0x7fu
#define LENGTH_16       126u
#define LENGTH_64       127u
#define CONTROL_LEN_MAX 125u

#define TWO     2u
#define MASK_SZ 4u

static const struct {
    int code;
    const char *text;
} faults[] = {
    [WS_FAULT_NONE] = {0, ""},
    [WS_FAULT_RSV] = {1002, "reserved bit set"},
    [WS_FAULT_OPCODE] = {1002, "reserved opcode"},
    [WS_FAULT_CONTROL_FRAGMENTED] = {1002, "fragmented control frame"},
    [WS_FAULT_CONTROL_LENGTH] = {1002, "control frame longer than 125 bytes"},
    [WS_FAULT_CONTINUATION] = {1002, "continuation of no message"},
    [WS_FAULT_INTERLEAVED] = {1002, "new message inside a fragmented one"},
    [WS_FAULT_UNMASKED] = {1002, "frame is not masked"},
    [WS_FAULT_LENGTH_ENCODING] = {1002, "length not in its shortest form"},
    [WS_FAULT_LENGTH_SIGN] = {1002, "length above 2^63"},
    [WS_FAULT_TOO_BIG] = {1009, "message longer than max_message"},
    [WS_FAULT_UTF8] = {1007, "text is not UTF-8"},
    [WS_FAULT_CLOSE_LENGTH] = {1002, "close frame of one byte"},
    [WS_FAULT_CLOSE_CODE] = {1002, "invalid close code"},
    [WS_FAULT_CLOSE_UTF8] = {1007, "close reason is not UTF-8"},
    [WS_FAULT_DEFLATE] = {1007, "compressed data is corrupt"},
    [WS_FAULT_MEMORY] = {1011, "out of memory"},
};

int ws_fault_code(enum ws_fault fault) {
    return faults[fault].code;
}

const char *ws_fault_text(enum ws_fault fault) {
    return faults[fault].text;
}

/* Sections 5.2 (RSV, opcodes), 5.4 (fragments), 5.5 (control frames); RFC 7692 section 6: RSV1
 * is for the first frame of a message. */
static enum ws_fault judge_first(unsigned first, const struct ws_rules *rules) {
    unsigned opcode = first & OPCODE;
    bool is_data_start = opcode == WS_OP_TEXT || opcode == WS_OP_BINARY;
    if ((first & RSV_23) != 0 || ((first & RSV1) && !(rules->allows_deflate && is_data_start)))
        return WS_FAULT_RSV;
    if (opcode > WS_OP_PONG || (opcode > WS_OP_BINARY && opcode < WS_OP_CLOSE))
        return WS_FAULT_OPCODE;
    if (ws_opcode_is_control(opcode))
        return first & FIN ? WS_FAULT_NONE : WS_FAULT_CONTROL_FRAGMENTED;
    if (is_data_start)
        return rules->in_message ? WS_FAULT_INTERLEAVED : WS_FAULT_NONE;
    return rules->in_message ? WS_FAULT_NONE : WS_FAULT_CONTINUATION;
}

/* Section 5.1: a client masks; section 5.5: control frames are short. */
static enum ws_fault judge_second(unsigned opcode, unsigned second) {
    if (!(second & MASKED))
        return WS_FAULT_UNMASKED;
    if (ws_opcode_is_control(opcode) && (second & LENGTH) > CONTROL_LEN_MAX)
        return WS_FAULT_CONTROL_LENGTH;
    return WS_FAULT_NONE;
}

static uint64_t read_big_endian(const unsigned char *p, size_t count) {
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++)
        value = value << 8 | p[i];
    return value;
}

/* Section 5.2: the shortest form, and the highest of 64 bits zero. */
static enum ws_fault judge_length(uint64_t len, size_t extended, unsigned opcode,
                                  const struct ws_rules *rules, bool is_compressed) {
    if (extended == 8 && len >> 63)
        return WS_FAULT_LENGTH_SIGN;
    if ((extended == 2 && len < LENGTH_16) || (extended == 8 && len <= UINT16_MAX))
        return WS_FAULT_LENGTH_ENCODING;
    if (!ws_opcode_is_control(opcode) && !is_compressed && len > rules->room)
        return WS_FAULT_TOO_BIG;
    return WS_FAULT_NONE;
}

int ws_header_parse(const char *data, size_t len, const struct ws_rules *rules,
                    struct ws_header *out_header) {
    const unsigned char *p = (const unsigned char *)data;
    if (len < 1)
        return 0;
    unsigned opcode = p[0] & OPCODE;
    enum ws_fault fault = judge_first(p[0], rules);
    if (fault)
        return -(int)fault;
    if (len < TWO)
        return 0;
    fault = judge_second(opcode, p[1]);
    if (fault)
        return -(int)fault;
    unsigned short_len = p[1] & LENGTH;
    size_t extended = short_len < LENGTH_16 ? 0 : short_len == LENGTH_16 ? 2 : 8;
    if (len < TWO + extended)
        return 0;
    bool is_compressed = (p[0] & RSV1) != 0;
    uint64_t payload = extended ? read_big_endian(p + TWO, extended) : short_len;
    fault = judge_length(payload, extended, opcode, rules,
                         is_compressed || (rules->in_message && rules->is_compressed));
    if (fault)
        return -(int)fault;
    if (len < TWO + extended + MASK_SZ)
        return 0;
    out_header->len = payload;
    memcpy(&out_header->mask, p + TWO + extended, MASK_SZ);
    out_header->opcode = (uint8_t)opcode;
    out_header->is_final = (p[0] & FIN) != 0;
    out_header->is_compressed = is_compressed;
    return (int)(TWO + extended + MASK_SZ);
}
