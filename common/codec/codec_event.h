/* SPDX-License-Identifier: MIT
 *
 * What the simple framings (text.h, frame.h) answer. WebSocket has events of its own
 * (ws_frame.h).
 */
#ifndef CREWMAN_CODEC_EVENT_H
#define CREWMAN_CODEC_EVENT_H

#include <stddef.h>

enum codec_event_type { CODEC_NEED_MORE = 0, CODEC_MESSAGE, CODEC_ERROR };

enum codec_error {
    CODEC_MALFORMED = 1, /* the peer broke the protocol */
    CODEC_TOO_BIG,       /* longer than the limit */
    CODEC_NO_MEMORY
};

struct codec_event {
    enum codec_event_type type;
    enum codec_error error; /* of CODEC_ERROR */
    char *data;             /* of CODEC_MESSAGE: never NULL, borrowed until the next call */
    size_t len;
    const char *text; /* of CODEC_ERROR, for people; static */
};

#endif
