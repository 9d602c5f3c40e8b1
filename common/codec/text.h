/* SPDX-License-Identifier: MIT
 *
 * `text`: lines. A message ends at \n; one \r before it is dropped; any other byte, NUL among
 * them, belongs to the message. Workerman: Protocols/Text.
 */
#ifndef CREWMAN_TEXT_H
#define CREWMAN_TEXT_H

#include <stdint.h>

#include "codec_event.h"

struct codec_buffer;

struct text_decoder {
    struct codec_buffer *line; /* what came of an unfinished line; NULL: nothing */
    uint8_t error;             /* enum codec_error, sticky */
    uint8_t is_spent;          /* `line` was handed out */
};

void text_decoder_init(struct text_decoder *decoder);
void text_decoder_done(struct text_decoder *decoder);

/* The next line of at most `max_message` bytes, without its end. Consumes from *data and *len;
 * call again until CODEC_NEED_MORE (*len is then 0) or CODEC_ERROR, or stop in between and keep
 * the rest. The line lies in the input when all of it is there. */
enum codec_event_type text_decoder_next(struct text_decoder *decoder, size_t max_message,
                                        char **data, size_t *len,
                                        struct codec_event *out_event);

/* How many bytes have come of a message that is not complete; negative: there is none. */
int64_t text_decoder_unfinished(const struct text_decoder *decoder);

#endif
