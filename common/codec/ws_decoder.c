/* SPDX-License-Identifier: MIT
 *
 * The decoder: see ws_decoder.h. The short way is a frame that is all there: its payload is
 * unmasked in place and handed out; and of those the shortest, which are most of what there is,
 * have a way of their own. Everything else goes through struct ws_partial.
 */
#include "ws_decoder.h"

#include <assert.h>
#include <string.h>

#include "deflate.h"
#include "ws_encode.h"
#include "ws_mask.h"
#include "ws_partial.h"

#define CODE_NONE 1005
#define ROOM_MIN  16384u  /* for ws_decoder_want() */
#define LONG_MIN  131072u /* a second copy of that costs more than a second read */

#define COMPRESSED_SLACK 65536u

/* A header without an extended length, of a message in one frame (section 5.2). */
#define SHORT_HEADER 6u
#define SHORT_TEXT   0x81u
#define SHORT_BINARY 0x82u
#define SHORT_FIRST  0x80u /* lengths 0 to 125, masked */
#define SHORT_LAST   0xfdu

enum stage { STAGE_HEADER, STAGE_PAYLOAD, STAGE_CONTROL };

void ws_decoder_init(struct ws_decoder *decoder) {
    *decoder = (struct ws_decoder){0};
}

void ws_decoder_done(struct ws_decoder *decoder) {
    ws_partial_drop(decoder);
    ws_partial_drop_inflater(decoder);
}

size_t ws_decoder_held(const struct ws_decoder *decoder) {
    const struct ws_partial *partial = decoder->partial;
    size_t held = partial ? offsetof(struct ws_partial, data) + partial->capacity : 0;
    return held + (decoder->inflater ? deflate_inflater_held(decoder->inflater) : 0);
}

void ws_decoder_allow_deflate(struct ws_decoder *decoder, int bits, bool keeps_context) {
    assert(bits >= 8 && bits <= DEFLATE_BITS_MAX);
    decoder->deflate_bits = (uint8_t)bits;
    decoder->keeps_context = keeps_context;
}

static enum ws_event_type fail(struct ws_decoder *decoder, enum ws_fault fault,
                               struct ws_event *out_event) {
    ws_partial_drop(decoder);
    ws_partial_drop_inflater(decoder);
    decoder->fault = (uint8_t)fault;
    *out_event = (struct ws_event){
        .type = WS_ERROR, .code = ws_fault_code(fault), .text = ws_fault_text(fault)};
    return WS_ERROR;
}

static void consume(char **data, size_t *len, size_t count) {
    if (count > 0) {
        *data += count;
        *len -= count;
    }
}

static struct ws_rules rules_of(const struct ws_decoder *decoder,
                                const struct ws_limits *limits) {
    const struct ws_partial *partial = decoder->partial;
    bool in_message = partial && partial->in_message;
    size_t have = in_message ? partial->len : 0;
    return (struct ws_rules){.in_message = in_message,
                             .allows_deflate = decoder->deflate_bits != 0,
                             .is_compressed = in_message && partial->is_compressed,
                             .room =
                                 have < limits->max_message ? limits->max_message - have : 0};
}

/* Collect a header that comes in pieces. As ws_header_parse(). */
static int gather_header(struct ws_decoder *decoder, const struct ws_rules *rules, char **data,
                         size_t *len, struct ws_header *out_header) {
    if (*len == 0)
        return 0;
    if (!ws_partial_reserve(decoder, 0, 0))
        return -WS_FAULT_MEMORY;
    struct ws_partial *partial = decoder->partial;
    size_t before = partial->header_len;
    size_t piece = WS_CLIENT_HEADER_MAX - before;
    if (piece > *len)
        piece = *len;
    memcpy(partial->header + before, *data, piece);
    int size = ws_header_parse(partial->header, before + piece, rules, out_header);
    if (size > 0) {
        consume(data, len, (size_t)size - before);
        partial->header_len = 0;
    } else if (size == 0) {
        consume(data, len, piece);
        partial->header_len = (uint8_t)(before + piece);
    }
    return size;
}

static int next_header(struct ws_decoder *decoder, const struct ws_limits *limits, char **data,
                       size_t *len, struct ws_header *out_header) {
    struct ws_rules rules = rules_of(decoder, limits);
    if (!decoder->partial || decoder->partial->header_len == 0) {
        int size = ws_header_parse(*data, *len, &rules, out_header);
        if (size > 0)
            consume(data, len, (size_t)size);
        if (size != 0)
            return size;
    }
    return gather_header(decoder, &rules, data, len, out_header);
}

static enum ws_event_type deliver_close(struct ws_decoder *decoder, char *data, size_t len,
                                        struct ws_event *out_event) {
    if (len == 1) /* section 5.5.1: the body begins with a code of two bytes */
        return fail(decoder, WS_FAULT_CLOSE_LENGTH, out_event);
    int code = CODE_NONE;
    if (len >= 2) {
        code = (unsigned char)data[0] << 8 | (unsigned char)data[1];
        if (!ws_close_code_is_sendable(code))
            return fail(decoder, WS_FAULT_CLOSE_CODE, out_event);
        data += 2;
        len -= 2;
    }
    if (!utf8_is_valid(data, len))
        return fail(decoder, WS_FAULT_CLOSE_UTF8, out_event);
    *out_event = (struct ws_event){.type = WS_CLOSE, .data = data, .len = len, .code = code};
    return WS_CLOSE;
}

static enum ws_event_type deliver_control(struct ws_decoder *decoder, unsigned opcode,
                                          char *data, size_t len, struct ws_event *out_event) {
    if (opcode == WS_OP_CLOSE)
        return deliver_close(decoder, data, len, out_event);
    *out_event = (struct ws_event){
        .type = opcode == WS_OP_PING ? WS_PING : WS_PONG, .data = data, .len = len};
    return out_event->type;
}

static enum ws_event_type deliver_message(bool is_text, char *data, size_t len,
                                          struct ws_event *out_event) {
    *out_event =
        (struct ws_event){.type = WS_MESSAGE, .is_text = is_text, .data = data, .len = len};
    return WS_MESSAGE;
}

/* A partial that holds nothing but the header that has just been read is done with. */
static void drop_if_empty(struct ws_decoder *decoder) {
    if (decoder->partial && !decoder->partial->in_message)
        ws_partial_drop(decoder);
}

/* The whole frame is there, and more than it is not needed. */
static enum ws_event_type take_whole(struct ws_decoder *decoder, const struct ws_header *header,
                                     char **data, size_t *len, struct ws_event *out_event) {
    char *payload = *data;
    size_t size = (size_t)header->len;
    consume(data, len, size);
    drop_if_empty(decoder);
    bool is_ascii = ws_mask(payload, size, header->mask, 0);
    if (ws_opcode_is_control(header->opcode))
        return deliver_control(decoder, header->opcode, payload, size, out_event);
    bool is_text = header->opcode == WS_OP_TEXT;
    decoder->had_long = size >= LONG_MIN;
    if (is_text && !is_ascii && !utf8_is_valid(payload, size))
        return fail(decoder, WS_FAULT_UTF8, out_event);
    return deliver_message(is_text, payload, size, out_event);
}

/* What is compressed is hardly ever much longer than what it was made of: an eighth with the
 * fixed codes, which have up to nine bits for a byte. One that is could go on for ever and make
 * nothing. */
static bool is_endless(const struct ws_partial *partial, const struct ws_limits *limits) {
    uint64_t slack = limits->max_message / 8 + COMPRESSED_SLACK;
    return partial->is_compressed && partial->announced > slack &&
           partial->announced - slack > limits->max_message;
}

static enum ws_fault begin_frame(struct ws_decoder *decoder, const struct ws_limits *limits,
                                 const struct ws_header *header) {
    if (!ws_partial_reserve(decoder, 0, 0))
        return WS_FAULT_MEMORY;
    struct ws_partial *partial = decoder->partial;
    partial->opcode = header->opcode;
    partial->mask = header->mask;
    partial->left = header->len;
    if (ws_opcode_is_control(header->opcode)) {
        partial->stage = STAGE_CONTROL;
        partial->control_len = 0;
        return WS_FAULT_NONE;
    }
    partial->stage = STAGE_PAYLOAD;
    partial->is_final = header->is_final;
    if (header->opcode != WS_OP_CONTINUATION) {
        partial->in_message = true;
        partial->is_text = header->opcode == WS_OP_TEXT;
        partial->is_compressed = header->is_compressed;
    }
    /* No sum of two lengths wraps: each is below 2^63, and a sum that is too long ends here. */
    partial->announced += header->len;
    return is_endless(partial, limits) ? WS_FAULT_TOO_BIG : WS_FAULT_NONE;
}

/* Unmask the next `count` bytes of the current frame; are they all ASCII? */
static bool unmask(struct ws_partial *partial, char *data, size_t count) {
    bool is_ascii = ws_mask(data, count, partial->mask, 0);
    char turned[8];
    memcpy(turned, &partial->mask, 4);
    memcpy(turned + 4, &partial->mask, 4);
    memcpy(&partial->mask, turned + (count & 3), 4);
    partial->left -= count;
    return is_ascii;
}

/* `count` masked bytes lie behind the message: they belong to it. */
static enum ws_fault accept(struct ws_partial *partial, size_t count) {
    char *piece = partial->data + partial->len;
    bool is_ascii = unmask(partial, piece, count);
    partial->len += count;
    if (is_ascii && utf8_is_complete(&partial->utf8))
        return WS_FAULT_NONE;
    if (partial->is_text && !utf8_feed(&partial->utf8, piece, count))
        return WS_FAULT_UTF8;
    return WS_FAULT_NONE;
}

static size_t clamp(uint64_t left, size_t len) {
    return left < len ? (size_t)left : len;
}

/* The capacity that this message cannot need to pass, as far as is known. */
static size_t bound_of(const struct ws_partial *partial, size_t max_message) {
    return partial->is_final ? partial->len + (size_t)partial->left : max_message;
}

static enum ws_fault take_payload(struct ws_decoder *decoder, const struct ws_limits *limits,
                                  char **data, size_t *len) {
    if (decoder->partial->filled > 0) {
        size_t filled = decoder->partial->filled;
        decoder->partial->filled = 0;
        enum ws_fault fault = accept(decoder->partial, filled);
        if (fault)
            return fault;
    }
    size_t count = clamp(decoder->partial->left, *len);
    if (count == 0)
        return WS_FAULT_NONE;
    if (decoder->partial->is_compressed) {
        char *piece = *data;
        consume(data, len, count);
        unmask(decoder->partial, piece, count);
        decoder->partial->has_payload = true;
        return ws_partial_inflate(decoder, limits, piece, count);
    }
    if (!ws_partial_reserve(decoder, count, bound_of(decoder->partial, limits->max_message)))
        return WS_FAULT_MEMORY;
    memcpy(decoder->partial->data + decoder->partial->len, *data, count);
    consume(data, len, count);
    return accept(decoder->partial, count);
}

static enum ws_event_type finish_message(struct ws_decoder *decoder,
                                         const struct ws_limits *limits,
                                         struct ws_event *out_event) {
    enum ws_fault fault = decoder->partial->is_compressed
                              ? ws_partial_finish_inflating(decoder, limits)
                              : WS_FAULT_NONE;
    if (fault)
        return fail(decoder, fault, out_event);
    struct ws_partial *partial = decoder->partial;
    if (partial->is_text && !utf8_is_complete(&partial->utf8))
        return fail(decoder, WS_FAULT_UTF8, out_event);
    partial->is_spent = true;
    decoder->had_long = partial->len >= LONG_MIN && !partial->is_compressed;
    return deliver_message(partial->is_text, partial->data, partial->len, out_event);
}

/* WS_NEED_MORE with stage STAGE_HEADER: the frame is over, the message is not. */
static enum ws_event_type step_payload(struct ws_decoder *decoder,
                                       const struct ws_limits *limits, char **data, size_t *len,
                                       struct ws_event *out_event) {
    enum ws_fault fault = take_payload(decoder, limits, data, len);
    if (fault)
        return fail(decoder, fault, out_event);
    if (decoder->partial->left > 0)
        return WS_NEED_MORE;
    decoder->partial->stage = STAGE_HEADER;
    return decoder->partial->is_final ? finish_message(decoder, limits, out_event)
                                      : WS_NEED_MORE;
}

static enum ws_event_type step_control(struct ws_decoder *decoder, char **data, size_t *len,
                                       struct ws_event *out_event) {
    struct ws_partial *partial = decoder->partial;
    size_t count = clamp(partial->left, *len);
    char *piece = partial->control + partial->control_len;
    if (count > 0)
        memcpy(piece, *data, count);
    consume(data, len, count);
    unmask(partial, piece, count);
    partial->control_len = (uint8_t)(partial->control_len + count);
    if (partial->left > 0)
        return WS_NEED_MORE;
    partial->stage = STAGE_HEADER;
    partial->is_spent = !partial->in_message;
    return deliver_control(decoder, partial->opcode, partial->control, partial->control_len,
                           out_event);
}

static bool is_whole(const struct ws_header *header, size_t len) {
    bool is_alone =
        header->is_final && header->opcode != WS_OP_CONTINUATION && !header->is_compressed;
    return header->len <= len && is_alone;
}

/* One header or the payload behind one. WS_NEED_MORE with input left: go on. */
static enum ws_event_type step(struct ws_decoder *decoder, const struct ws_limits *limits,
                               char **data, size_t *len, struct ws_event *out_event) {
    unsigned stage = decoder->partial ? decoder->partial->stage : STAGE_HEADER;
    if (stage == STAGE_PAYLOAD)
        return step_payload(decoder, limits, data, len, out_event);
    if (stage == STAGE_CONTROL)
        return step_control(decoder, data, len, out_event);
    struct ws_header header;
    int size = next_header(decoder, limits, data, len, &header);
    if (size < 0)
        return fail(decoder, (enum ws_fault) - size, out_event);
    if (size == 0)
        return WS_NEED_MORE;
    if (is_whole(&header, *len))
        return take_whole(decoder, &header, data, len, out_event);
    enum ws_fault fault = begin_frame(decoder, limits, &header);
    if (fault)
        return fail(decoder, fault, out_event);
    if (header.is_compressed)
        ws_partial_begin_inflating(decoder, limits, header.is_final && header.len <= *len);
    return step(decoder, limits, data, len, out_event);
}

/* Between two messages; with input that is not of the short kind, or not all there, or a fault
 * but of UTF-8, WS_NEED_MORE, and nothing is changed. */
static enum ws_event_type take_short(struct ws_decoder *decoder, const struct ws_limits *limits,
                                     char **data, size_t *len, struct ws_event *out_event) {
    const unsigned char *p = (const unsigned char *)*data;
    if (*len < SHORT_HEADER || (p[0] != SHORT_TEXT && p[0] != SHORT_BINARY) ||
        p[1] < SHORT_FIRST || p[1] > SHORT_LAST)
        return WS_NEED_MORE;
    size_t size = p[1] - SHORT_FIRST;
    if (size > *len - SHORT_HEADER || size > limits->max_message)
        return WS_NEED_MORE;
    uint32_t mask;
    memcpy(&mask, p + 2, sizeof(mask));
    bool is_text = p[0] == SHORT_TEXT;
    char *payload = *data + SHORT_HEADER;
    *data = payload + size;
    *len -= SHORT_HEADER + size;
    decoder->had_long = false;
    bool is_ascii = ws_mask(payload, size, mask, 0);
    if (is_text && !is_ascii && !utf8_is_valid(payload, size))
        return fail(decoder, WS_FAULT_UTF8, out_event);
    return deliver_message(is_text, payload, size, out_event);
}

enum ws_event_type ws_decoder_next(struct ws_decoder *decoder, const struct ws_limits *limits,
                                   char **data, size_t *len, struct ws_event *out_event) {
    if (!decoder->partial && !decoder->fault) {
        if (*len == 0)
            return WS_NEED_MORE;
        enum ws_event_type type = take_short(decoder, limits, data, len, out_event);
        if (type != WS_NEED_MORE)
            return type;
    }
    if (decoder->partial && decoder->partial->is_spent)
        ws_partial_drop(decoder);
    if (decoder->fault)
        return fail(decoder, (enum ws_fault)decoder->fault, out_event);
    for (;;) {
        enum ws_event_type type = step(decoder, limits, data, len, out_event);
        if (type != WS_NEED_MORE || *len == 0)
            return type;
    }
}

int64_t ws_decoder_unfinished(const struct ws_decoder *decoder) {
    const struct ws_partial *partial = decoder->partial;
    if (!partial || partial->is_spent)
        return -1;
    if (!partial->in_message)
        return partial->header_len + partial->control_len;
    if (!partial->is_compressed)
        return (int64_t)partial->len;
    uint64_t left = ws_opcode_is_control(partial->opcode) ? 0 : partial->left;
    return (int64_t)(partial->announced - left);
}

bool ws_decoder_is_in_message(const struct ws_decoder *decoder) {
    return decoder->partial && !decoder->partial->is_spent && decoder->partial->in_message;
}

/* Only behind as much again of the same message: what a peer announces is not allocated. */
size_t ws_decoder_want(struct ws_decoder *decoder, char **out_room) {
    struct ws_partial *partial = decoder->partial;
    if ((!partial || partial->is_spent) && decoder->had_long)
        return ROOM_MIN + WS_CLIENT_HEADER_MAX;
    if (!partial || partial->is_spent || partial->stage != STAGE_PAYLOAD ||
        partial->is_compressed || partial->len < ROOM_MIN || partial->left < ROOM_MIN)
        return decoder->deflate_bits ? WS_COMPRESSED_PIECE : 0;
    if (partial->capacity - partial->len < ROOM_MIN &&
        !ws_partial_reserve(decoder, ROOM_MIN, partial->len + (size_t)partial->left))
        return 0;
    partial = decoder->partial;
    partial->filled = 0;
    *out_room = partial->data + partial->len;
    return clamp(partial->left, partial->capacity - partial->len);
}

void ws_decoder_filled(struct ws_decoder *decoder, size_t len) {
    assert(decoder->partial && decoder->partial->stage == STAGE_PAYLOAD);
    assert(len <= decoder->partial->left &&
           len <= decoder->partial->capacity - decoder->partial->len);
    decoder->partial->filled = len;
}
