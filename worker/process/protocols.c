/* SPDX-License-Identifier: MIT
 *
 * See protocols.h.
 */
#include "protocols.h"

#include "protocol_http.h"
#include "stream.h"

const struct protocol *protocols_find(enum listen_protocol protocol,
                                      const struct crew_protocol *framing) {
    if (framing)
        return listen_is_datagram(protocol) ? &protocol_udp_custom : &protocol_custom;
    switch (protocol) {
    case LISTEN_TEXT:
        return &protocol_text;
    case LISTEN_FRAME:
        return &protocol_frame;
    case LISTEN_WEBSOCKET: /* begins as HTTP: its handshake is a request */
    case LISTEN_HTTP:
        return &protocol_http;
    case LISTEN_UDP:
        return &protocol_udp;
    case LISTEN_UDP_TEXT:
        return &protocol_udp_text;
    case LISTEN_UDP_FRAME:
        return &protocol_udp_frame;
    default:
        return &protocol_tcp;
    }
}
