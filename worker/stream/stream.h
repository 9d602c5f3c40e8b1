/* SPDX-License-Identifier: MIT
 *
 * The plain protocols over a stream, and the same over datagrams.
 */
#ifndef CREWMAN_STREAM_H
#define CREWMAN_STREAM_H

#include "codec_event.h"
#include "crewman.h"
#include "protocol.h"

extern const struct protocol protocol_tcp, protocol_text, protocol_frame, protocol_custom;
extern const struct protocol protocol_udp, protocol_udp_text, protocol_udp_frame,
    protocol_udp_custom;

/* What the app and the counters are told of an error of text.h or frame.h. */
static inline int stream_error_of(enum codec_error error) {
    switch (error) {
    case CODEC_TOO_BIG:
        return CREW_ETOOBIG;
    case CODEC_NO_MEMORY:
        return CREW_ENOMEM;
    default:
        return CREW_EPROTO;
    }
}

#endif
