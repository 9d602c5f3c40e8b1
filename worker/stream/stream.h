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

/* How each puts a message on the wire, and what a framing of the app's does at both ends of a
 * connection: in the tables of streams and of datagrams. */
int protocol_tcp_send(struct crew_conn *conn, const void *data, size_t len,
                      enum crew_msg_type type);
int protocol_text_send(struct crew_conn *conn, const void *data, size_t len,
                       enum crew_msg_type type);
int protocol_frame_send(struct crew_conn *conn, const void *data, size_t len,
                        enum crew_msg_type type);
void protocol_custom_connected(struct crew_conn *conn);
void protocol_custom_done(struct crew_conn *conn);
size_t protocol_custom_held(const struct crew_conn *conn);
void protocol_custom_shed(struct crew_conn *conn, bool is_cut);

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
