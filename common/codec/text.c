/* SPDX-License-Identifier: MIT
 *
 * Lines: see text.h. Every byte is looked at once: what is kept of an unfinished line holds no
 * \n.
 */
#include "text.h"

#include <string.h>

#include "codec_memory.h"

void text_decoder_init(struct text_decoder *decoder) {
    *decoder = (struct text_decoder){0};
}

void text_decoder_done(struct text_decoder *decoder) {
    codec_buffer_free(&decoder->line);
}

static enum codec_event_type fail(struct text_decoder *decoder, enum codec_error error,
                                  struct codec_event *out_event) {
    codec_buffer_free(&decoder->line);
    decoder->error = (uint8_t)error;
    *out_event = (struct codec_event){
        .type = CODEC_ERROR,
        .error = error,
        .text = error == CODEC_TOO_BIG ? "line longer than max_message" : "out of memory"};
    return CODEC_ERROR;
}

/* Can a line that begins with these bytes, or is them, still be short enough? */
static bool fits(const char *data, size_t len, size_t max_message) {
    if (len <= max_message)
        return true;
    return len - 1 == max_message && data[len - 1] == '\r';
}

static enum codec_event_type deliver(struct text_decoder *decoder, char *line, size_t len,
                                     size_t max_message, struct codec_event *out_event) {
    if (!fits(line, len, max_message))
        return fail(decoder, CODEC_TOO_BIG, out_event);
    if (len > 0 && line[len - 1] == '\r')
        len--;
    *out_event = (struct codec_event){.type = CODEC_MESSAGE, .data = line, .len = len};
    return CODEC_MESSAGE;
}

enum codec_event_type text_decoder_next(struct text_decoder *decoder, size_t max_message,
                                        char **data, size_t *len,
                                        struct codec_event *out_event) {
    if (decoder->is_spent) {
        codec_buffer_free(&decoder->line);
        decoder->is_spent = false;
    }
    if (decoder->error)
        return fail(decoder, (enum codec_error)decoder->error, out_event);
    if (*len == 0)
        return CODEC_NEED_MORE;
    char *start = *data;
    char *end = memchr(start, '\n', *len);
    size_t piece = end ? (size_t)(end - start) : *len;
    *data += end ? piece + 1 : piece;
    *len -= end ? piece + 1 : piece;
    if (end && !decoder->line)
        return deliver(decoder, start, piece, max_message, out_event);
    if (piece > max_message && piece - max_message > 1)
        return fail(decoder, CODEC_TOO_BIG, out_event);
    if (!codec_buffer_append(&decoder->line, start, piece, max_message + 1))
        return fail(decoder, CODEC_NO_MEMORY, out_event);
    struct codec_buffer *line = decoder->line;
    if (end) {
        decoder->is_spent = true;
        return deliver(decoder, line->data, line->len, max_message, out_event);
    }
    if (!fits(line->data, line->len, max_message))
        return fail(decoder, CODEC_TOO_BIG, out_event);
    return CODEC_NEED_MORE;
}

int64_t text_decoder_unfinished(const struct text_decoder *decoder) {
    bool has_begun = decoder->line && !decoder->is_spent;
    return has_begun ? (int64_t)decoder->line->len : -1;
}
