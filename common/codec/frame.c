/* SPDX-License-Identifier: MIT
 *
 * Messages with a length in front: see frame.h.
 */
#include "frame.h"

#include <stdbool.h>

#include "codec_memory.h"

#define HEADER 4u

void frame_decoder_init(struct frame_decoder *decoder) {
    *decoder = (struct frame_decoder){0};
}

void frame_decoder_done(struct frame_decoder *decoder) {
    codec_buffer_free(&decoder->body);
}

static enum codec_event_type fail(struct frame_decoder *decoder, enum codec_error error,
                                  struct codec_event *out_event) {
    static const char *const texts[] = {[CODEC_MALFORMED] = "frame length below 4",
                                        [CODEC_TOO_BIG] = "frame longer than max_message",
                                        [CODEC_NO_MEMORY] = "out of memory"};
    codec_buffer_free(&decoder->body);
    decoder->error = (uint8_t)error;
    *out_event =
        (struct codec_event){.type = CODEC_ERROR, .error = error, .text = texts[error]};
    return CODEC_ERROR;
}

static enum codec_event_type deliver(char *body, size_t len, struct codec_event *out_event) {
    *out_event = (struct codec_event){.type = CODEC_MESSAGE, .data = body, .len = len};
    return CODEC_MESSAGE;
}

static bool fill_header(struct frame_decoder *decoder, char **data, size_t *len) {
    while (decoder->header_len<HEADER && * len> 0) {
        decoder->header[decoder->header_len++] = (unsigned char)**data;
        (*data)++;
        (*len)--;
    }
    return decoder->header_len == HEADER;
}

static size_t total_of(const unsigned char header[HEADER]) {
    return (size_t)header[0] << 24 | (size_t)header[1] << 16 | (size_t)header[2] << 8 |
           header[3];
}

enum codec_event_type frame_decoder_next(struct frame_decoder *decoder, size_t max_message,
                                         char **data, size_t *len,
                                         struct codec_event *out_event) {
    if (decoder->is_spent) {
        codec_buffer_free(&decoder->body);
        decoder->is_spent = false;
    }
    if (decoder->error)
        return fail(decoder, (enum codec_error)decoder->error, out_event);
    if (!fill_header(decoder, data, len))
        return CODEC_NEED_MORE;
    size_t total = total_of(decoder->header);
    if (total < HEADER)
        return fail(decoder, CODEC_MALFORMED, out_event);
    size_t size = total - HEADER;
    if (size > max_message)
        return fail(decoder, CODEC_TOO_BIG, out_event);

    size_t have = decoder->body ? decoder->body->len : 0;
    char *start = *data;
    size_t piece = *len < size - have ? *len : size - have;
    bool is_whole = have + piece == size;
    if (piece > 0) {
        *data += piece;
        *len -= piece;
    }
    if (is_whole)
        decoder->header_len = 0;
    if (is_whole && have == 0)
        return deliver(start, size, out_event);
    if (piece > 0 && !codec_buffer_append(&decoder->body, start, piece, size))
        return fail(decoder, CODEC_NO_MEMORY, out_event);
    if (!is_whole)
        return CODEC_NEED_MORE;
    decoder->is_spent = true;
    return deliver(decoder->body->data, size, out_event);
}

int64_t frame_decoder_unfinished(const struct frame_decoder *decoder) {
    size_t body = decoder->body && !decoder->is_spent ? decoder->body->len : 0;
    bool has_begun = decoder->header_len > 0 || body > 0;
    return has_begun ? (int64_t)(decoder->header_len + body) : -1;
}
