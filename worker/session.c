/* SPDX-License-Identifier: MIT
 *
 * Which session speaks which protocol.
 */
#include "session.h"

const struct session *session_for(enum listen_protocol protocol) {
    switch (protocol) {
    case LISTEN_TEXT:
        return &session_text;
    case LISTEN_FRAME:
        return &session_frame;
    case LISTEN_WEBSOCKET: /* begins as HTTP: its handshake is a request */
    case LISTEN_HTTP:
        return &session_http;
    default:
        return &session_tcp;
    }
}
