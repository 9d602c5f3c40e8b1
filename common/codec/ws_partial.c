/* SPDX-License-Identifier: MIT
 *
 * The unfinished message: see ws_partial.h. It grows with what has come, and what is inflated
 * never passes the limit by more than the one byte that shows it.
 */
#include "ws_partial.h"

#include <string.h>

#include "codec_memory.h"
#include "deflate.h"

#define INFLATE_MIN 256u   /* least room to inflate into */
#define SPARE_USE   16384u /* what is worth moving */

void ws_partial_drop(struct ws_decoder *decoder) {
    struct ws_partial *partial = decoder->partial;
    if (partial)
        codec_memory_keep(partial, offsetof(struct ws_partial, data) + partial->capacity);
    decoder->partial = NULL;
}

/* In memory that is there already, if the message is going to be long. */
static bool move_to_spare(struct ws_decoder *decoder, size_t needed) {
    struct ws_partial *partial = decoder->partial;
    size_t size;
    if (!partial || needed < SPARE_USE)
        return false;
    struct ws_partial *taken =
        codec_memory_take(offsetof(struct ws_partial, data) + needed, &size);
    if (!taken)
        return false;
    memcpy(taken, partial, offsetof(struct ws_partial, data) + partial->len);
    taken->capacity = size - offsetof(struct ws_partial, data);
    codec_memory_free(partial);
    decoder->partial = taken;
    return true;
}

void ws_partial_drop_inflater(struct ws_decoder *decoder) {
    deflate_inflater_free(decoder->inflater);
    decoder->inflater = NULL;
}

bool ws_partial_reserve(struct ws_decoder *decoder, size_t more, size_t bound) {
    struct ws_partial *partial = decoder->partial;
    size_t have = partial ? partial->len : 0;
    if (partial && more <= partial->capacity - have)
        return true;
    if (move_to_spare(decoder, have + more))
        return true;
    size_t capacity = more == 0 ? 0 : codec_memory_capacity(have + more, bound);
    struct ws_partial *grown =
        codec_memory_resize(partial, offsetof(struct ws_partial, data) + capacity);
    if (!grown)
        return false;
    if (!partial)
        memset(grown, 0, offsetof(struct ws_partial, data));
    grown->capacity = capacity;
    decoder->partial = grown;
    return true;
}

static struct deflate_inflater *inflater_of(struct ws_decoder *decoder,
                                            const struct ws_limits *limits) {
    if (decoder->inflater)
        return decoder->inflater;
    if (decoder->partial->is_alone)
        return limits->shared_inflater;
    decoder->inflater = deflate_inflater_new(decoder->deflate_bits);
    return decoder->inflater;
}

/* Room for what comes next, never more than one byte beyond the limit: if that one is needed,
 * the message is too big, whatever else is in it. */
static size_t room_to_inflate(struct ws_decoder *decoder, size_t input, size_t max_message) {
    size_t bound = max_message < SIZE_MAX ? max_message + 1 : max_message;
    size_t left = bound - decoder->partial->len;
    if (!ws_partial_reserve(decoder, input < left ? input : left, bound))
        return 0;
    size_t room = decoder->partial->capacity - decoder->partial->len;
    return room < left ? room : left;
}

/* The text before the limit is judged first: where the input was cut must not matter. */
static enum ws_fault accept_inflated(struct ws_partial *partial, size_t made,
                                     size_t max_message) {
    size_t left = max_message - partial->len;
    size_t size = made < left ? made : left;
    const char *piece = partial->data + partial->len;
    partial->len += size;
    if (partial->is_text && !utf8_feed(&partial->utf8, piece, size))
        return WS_FAULT_UTF8;
    return made > left ? WS_FAULT_TOO_BIG : WS_FAULT_NONE;
}

enum ws_fault ws_partial_inflate(struct ws_decoder *decoder, const struct ws_limits *limits,
                                 const char *data, size_t len) {
    struct deflate_inflater *inflater = inflater_of(decoder, limits);
    if (!inflater)
        return WS_FAULT_MEMORY;
    for (;;) {
        size_t room = room_to_inflate(decoder, len + INFLATE_MIN, limits->max_message);
        if (room == 0)
            return WS_FAULT_MEMORY;
        struct ws_partial *partial = decoder->partial;
        char *piece = partial->data + partial->len;
        size_t made;
        int result = deflate_inflate(inflater, &data, &len, piece, room, &made);
        enum ws_fault fault = accept_inflated(partial, made, limits->max_message);
        if (fault)
            return fault;
        if (result < 0)
            return result == DEFLATE_CORRUPT ? WS_FAULT_DEFLATE : WS_FAULT_MEMORY;
        if (result == 0)
            return WS_FAULT_NONE;
    }
}

/* RFC 7692 section 7.2.2: the end that the sender has left out. An empty message should be a
 * byte of zero (7.2.3.6); zlib with context takeover makes nothing at all of it, and so do its
 * users. */
enum ws_fault ws_partial_finish_inflating(struct ws_decoder *decoder,
                                          const struct ws_limits *limits) {
    if (!decoder->partial->has_payload)
        return WS_FAULT_NONE;
    enum ws_fault fault =
        ws_partial_inflate(decoder, limits, deflate_tail, sizeof(deflate_tail));
    if (fault)
        return fault;
    bool is_complete = deflate_inflater_is_between(inflater_of(decoder, limits));
    if (!decoder->keeps_context)
        ws_partial_drop_inflater(decoder);
    return is_complete ? WS_FAULT_NONE : WS_FAULT_DEFLATE;
}

void ws_partial_begin_inflating(struct ws_decoder *decoder, const struct ws_limits *limits,
                                bool is_all_there) {
    bool is_alone = is_all_there && !decoder->keeps_context && limits->shared_inflater;
    decoder->partial->is_alone = is_alone;
    if (is_alone)
        deflate_inflater_reset(limits->shared_inflater);
}
