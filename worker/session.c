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
    case LISTEN_WEBSOCKET:
        return &session_websocket;
    default:
        return &session_tcp;
    }
}
