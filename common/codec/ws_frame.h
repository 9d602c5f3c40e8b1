/* SPDX-License-Identifier: MIT
 *
 * WebSocket frames (RFC 6455 section 5), all that the protocol needs: the close codes, and the
 * decoder, encoder and mask of the headers below.
 */
#ifndef CREWMAN_WS_FRAME_H
#define CREWMAN_WS_FRAME_H

#include "ws_decoder.h"
#include "ws_encode.h"
#include "ws_mask.h"

/* Section 7.4.1, and RESTART and TRY_LATER of the IANA registry. NONE and ABNORMAL are never
 * sent: they stand for what did not come. */
enum ws_code {
    WS_CODE_NORMAL = 1000,
    WS_CODE_GOING_AWAY = 1001,
    WS_CODE_PROTOCOL = 1002,
    WS_CODE_UNSUPPORTED = 1003,
    WS_CODE_NONE = 1005,
    WS_CODE_ABNORMAL = 1006,
    WS_CODE_BAD_DATA = 1007,
    WS_CODE_POLICY = 1008,
    WS_CODE_TOO_BIG = 1009,
    WS_CODE_INTERNAL = 1011,
    WS_CODE_RESTART = 1012,
    WS_CODE_TRY_LATER = 1013
};

#endif
