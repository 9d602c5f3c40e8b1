/* SPDX-License-Identifier: MIT
 *
 * The crew_frame_… functions of crewman.h.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crewman.h"
#include "wire_frame.h"

crew_frame *crew_frame_new(const void *data, size_t len, enum crew_msg_type type) {
    bool is_type = type == CREW_MSG_TEXT || type == CREW_MSG_BINARY;
    bool is_given = data || len == 0;
    return is_type && is_given && len <= PTRDIFF_MAX ? wire_frame_new(data, len, type) : NULL;
}

crew_frame *crew_frame_ref(crew_frame *frame) {
    return frame ? wire_frame_ref(frame) : NULL;
}

void crew_frame_unref(crew_frame *frame) {
    wire_frame_unref(frame);
}
