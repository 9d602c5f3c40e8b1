/* SPDX-License-Identifier: MIT
 *
 * Which session speaks which protocol.
 */
#include "session.h"

const struct session *session_for(enum listen_protocol protocol,
                                  const struct crew_protocol *custom) {
    if (custom)
        return listen_is_datagram(protocol) ? &session_udp_custom : &session_custom;
    switch (protocol) {
    case LISTEN_TEXT:
        return &session_text;
    case LISTEN_FRAME:
        return &session_frame;
    case LISTEN_WEBSOCKET: /* begins as HTTP: its handshake is a request */
    case LISTEN_HTTP:
        return &session_http;
    case LISTEN_UDP:
        return &session_udp;
    case LISTEN_UDP_TEXT:
        return &session_udp_text;
    case LISTEN_UDP_FRAME:
        return &session_udp_frame;
    default:
        return &session_tcp;
    }
}
