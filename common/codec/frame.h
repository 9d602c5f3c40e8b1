/* SPDX-License-Identifier: MIT
 *
 * `frame`: a length of 4 bytes, big-endian, that counts itself, and the message. Workerman:
 * Protocols/Frame.
 */
#ifndef CREWMAN_FRAME_H
#define CREWMAN_FRAME_H

#include <stdint.h>

#include "codec_event.h"

struct codec_buffer;

struct frame_decoder {
    struct codec_buffer *body; /* what came of an unfinished message; NULL: nothing */
    unsigned char header[4];
    uint8_t header_len;
    uint8_t error;    /* enum codec_error, sticky */
    uint8_t is_spent; /* `body` was handed out */
};

void frame_decoder_init(struct frame_decoder *decoder);
void frame_decoder_done(struct frame_decoder *decoder);

/* The next message, of at most `max_message` bytes without its length; see text_decoder_next().
 * A length below 4 is malformed, one above the limit too big, both before anything is kept. */
enum codec_event_type frame_decoder_next(struct frame_decoder *decoder, size_t max_message,
                                         char **data, size_t *len,
                                         struct codec_event *out_event);

/* How many bytes have come of a message that is not complete; negative: there is none. */
int64_t frame_decoder_unfinished(const struct frame_decoder *decoder);

#endif
