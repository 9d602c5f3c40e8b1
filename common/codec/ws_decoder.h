/* SPDX-License-Identifier: MIT
 *
 * The server's side of a WebSocket stream after the handshake: bytes in; messages, control
 * frames and the first error out. Whole messages are unmasked where they lie; what is
 * unfinished lives in one allocation that grows with what has come and goes when the message is
 * done, so that an idle connection costs this struct and nothing else.
 */
#ifndef CREWMAN_WS_DECODER_H
#define CREWMAN_WS_DECODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct deflate_inflater;
struct ws_partial;

/* A few kilobytes inflate to megabytes, and those who wait for their turn wait for all of what
 * was taken at once: where it may be compressed, receive and take no more. */
#define WS_COMPRESSED_PIECE 8192u

struct ws_decoder {
    struct ws_partial *partial;        /* NULL: between two messages, no byte of the next */
    struct deflate_inflater *inflater; /* NULL: not needed now */
    uint8_t fault;                     /* enum ws_fault, sticky */
    uint8_t deflate_bits;              /* 0: permessage-deflate was not negotiated */
    bool keeps_context;                /* messages refer to those before them */
    bool had_long;                     /* the last message of its kind was long */
};

struct ws_limits {
    size_t max_message; /* after inflating */
    /* NULL, or one of 15 bits that all decoders of a thread may share: without context takeover
     * a compressed message that is there in one piece then allocates no inflater. */
    struct deflate_inflater *shared_inflater;
};

enum ws_event_type {
    WS_NEED_MORE = 0,
    WS_MESSAGE,
    WS_PING,
    WS_PONG,
    WS_CLOSE, /* nothing that follows it means anything (section 5.5.1): stop calling */
    WS_ERROR
};

struct ws_event {
    enum ws_event_type type;
    bool is_text;
    char *data; /* message, payload of a ping or pong, reason of a close; never NULL, borrowed
                   until the next call on this decoder */
    size_t len;
    int code;         /* WS_CLOSE: its code, 1005 for none; WS_ERROR: the code to close with */
    const char *text; /* WS_ERROR, for people; static */
};

void ws_decoder_init(struct ws_decoder *decoder);
void ws_decoder_done(struct ws_decoder *decoder);

/* How much memory it has, for the unfinished message and to inflate. */
size_t ws_decoder_held(const struct ws_decoder *decoder);

/* permessage-deflate was negotiated (RFC 7692): the client's window bits, and whether it keeps
 * its context from message to message. Before the first byte. */
void ws_decoder_allow_deflate(struct ws_decoder *decoder, int bits, bool keeps_context);

/* The next event. Consumes from *data and *len, and changes what it consumes. Call again until
 * WS_NEED_MORE (*len is then 0) or WS_ERROR, or stop in between and keep the rest: nothing
 * behind the frame that made the event has been touched. */
enum ws_event_type ws_decoder_next(struct ws_decoder *decoder, const struct ws_limits *limits,
                                   char **data, size_t *len, struct ws_event *out_event);

/* How many bytes have come of a message or frame that is not complete; negative: there is none.
 * Neither what they inflate to counts, nor what stands between the frames of a message. */
int64_t ws_decoder_unfinished(const struct ws_decoder *decoder);

/* Has a message begun that is not complete? */
bool ws_decoder_is_in_message(const struct ws_decoder *decoder);

/* Room of at least 16 KiB to receive the payload of a long unfinished frame into directly. Then
 * call ws_decoder_filled() with the number of bytes received there, and ws_decoder_next() with
 * no input. Never reaches beyond the frame's end. The room is given up by any other call.
 * 0: no room, receive what there is; or, with *out_room unchanged, how much to receive at
 * most: the beginning of what seems to become a long message, or of what may be compressed. */
size_t ws_decoder_want(struct ws_decoder *decoder, char **out_room);
void ws_decoder_filled(struct ws_decoder *decoder, size_t len);

#endif
