/* SPDX-License-Identifier: MIT
 *
 * struct crew_frame: one immutable message that many connections are sent, with the forms in
 * which it goes out on the wire. Each form is encoded when the first connection needs it, and
 * shared by the send queues of all. Counts its references; knows no protocol: a form is found
 * by the protocol's own table and a number that the protocol chooses.
 */
#ifndef CREWMAN_WIRE_FRAME_H
#define CREWMAN_WIRE_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "crewman.h"
#include "sendq.h"

struct protocol;
struct wire_form;

struct crew_frame {
    uint32_t refs;
    enum crew_msg_type type;
    struct buf *plain; /* the message itself; also a form of those that add nothing */
    struct wire_form *forms;
};

/* Copies `data`. One reference; NULL without memory. */
struct crew_frame *wire_frame_new(const void *data, size_t len, enum crew_msg_type type);
struct crew_frame *wire_frame_ref(struct crew_frame *frame);
void wire_frame_unref(struct crew_frame *frame);

/* The form, borrowed; NULL when it was not made yet. */
struct buf *wire_frame_find(const struct crew_frame *frame, const struct protocol *protocol,
                            uint32_t variant);

/* Keep a form; takes `buf` (NULL: memory was short). Answers it, borrowed, or NULL without
 * memory. */
struct buf *wire_frame_keep(struct crew_frame *frame, const struct protocol *protocol,
                            uint32_t variant, struct buf *buf);

#endif
