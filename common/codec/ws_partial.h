/* SPDX-License-Identifier: MIT
 *
 * The unfinished message of a ws_decoder, and inflating into it. Only for ws_decoder.c.
 */
#ifndef CREWMAN_WS_PARTIAL_H
#define CREWMAN_WS_PARTIAL_H

#include "utf8.h"
#include "ws_decoder.h"
#include "ws_header.h"

#define WS_CONTROL_MAX 125u

/* One message, or only one frame, that is not complete. */
struct ws_partial {
    size_t len, capacity; /* of data: the message so far */
    size_t filled;        /* bytes that the caller has received behind it */
    uint64_t left;        /* payload of the current frame that has not come */
    uint64_t announced;   /* compressed: payload of its frames up to now, come or not */
    uint32_t mask;        /* of the current frame, turned to its next byte */
    struct utf8 utf8;
    uint8_t stage;
    uint8_t opcode; /* of the current frame */
    bool is_final;  /* the current frame is */
    bool in_message;
    bool is_text;
    bool is_compressed;
    bool has_payload; /* compressed, and a byte of it came */
    bool is_alone;    /* compressed, all there, and the shared inflater may be used */
    bool is_spent;    /* handed out: to be freed at the next call */
    uint8_t header_len;
    uint8_t control_len;
    char header[WS_CLIENT_HEADER_MAX];
    char control[WS_CONTROL_MAX];
    char data[];
};

/* Make sure of a partial with room for `more` bytes of data; `bound` as
 * codec_memory_capacity(). False without memory. It may move. */
bool ws_partial_reserve(struct ws_decoder *decoder, size_t more, size_t bound);
void ws_partial_drop(struct ws_decoder *decoder);

/* A compressed message begins. */
void ws_partial_begin_inflating(struct ws_decoder *decoder, const struct ws_limits *limits,
                                bool is_all_there);

/* The next piece of it, unmasked. The message must not pass max_message, nor its text be no
 * UTF-8. */
enum ws_fault ws_partial_inflate(struct ws_decoder *decoder, const struct ws_limits *limits,
                                 const char *data, size_t len);

/* It is all there. */
enum ws_fault ws_partial_finish_inflating(struct ws_decoder *decoder,
                                          const struct ws_limits *limits);

/* Give up the inflater, and what it knows of earlier messages. */
void ws_partial_drop_inflater(struct ws_decoder *decoder);

#endif
