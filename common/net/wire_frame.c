/* SPDX-License-Identifier: MIT
 *
 * See wire_frame.h. A frame has few forms: one for each protocol of the process, and for each
 * kind of compression that its connections have agreed on.
 */
#include "wire_frame.h"

#include <stdlib.h>
#include <string.h>

struct wire_form {
    struct wire_form *next;
    const struct protocol *protocol;
    uint32_t variant;
    struct buf *buf;
};

struct crew_frame *wire_frame_new(const void *data, size_t len, enum crew_msg_type type) {
    struct crew_frame *frame = malloc(sizeof(*frame));
    struct buf *plain = buf_new(len);
    if (!frame || !plain) {
        free(frame);
        buf_unref(plain);
        return NULL;
    }
    if (len > 0)
        memcpy(plain->data, data, len);
    plain->len = len;
    *frame = (struct crew_frame){.refs = 1, .type = type, .plain = plain};
    return frame;
}

struct crew_frame *wire_frame_ref(struct crew_frame *frame) {
    frame->refs++;
    return frame;
}

void wire_frame_unref(struct crew_frame *frame) {
    if (!frame || --frame->refs > 0)
        return;
    while (frame->forms) {
        struct wire_form *next = frame->forms->next;
        buf_unref(frame->forms->buf);
        free(frame->forms);
        frame->forms = next;
    }
    buf_unref(frame->plain);
    free(frame);
}

struct buf *wire_frame_find(const struct crew_frame *frame, const struct protocol *protocol,
                            uint32_t variant) {
    for (const struct wire_form *form = frame->forms; form; form = form->next)
        if (form->protocol == protocol && form->variant == variant)
            return form->buf;
    return NULL;
}

struct buf *wire_frame_keep(struct crew_frame *frame, const struct protocol *protocol,
                            uint32_t variant, struct buf *buf) {
    struct wire_form *form = buf ? malloc(sizeof(*form)) : NULL;
    if (!form) {
        buf_unref(buf);
        return NULL;
    }
    *form = (struct wire_form){frame->forms, protocol, variant, buf};
    frame->forms = form;
    return buf;
}
