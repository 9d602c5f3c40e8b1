/* SPDX-License-Identifier: MIT
 *
 * `text` (lines) and `frame` (a 4-byte length in front): the two simple framings. Workerman:
 * text://, frame://.
 */
#include <arpa/inet.h>
#include <string.h>

#include "codec_memory.h"
#include "conn_close.h"
#include "conn_out.h"
#include "stream.h"
#include "wire_frame.h"

#define FRAME_HEADER 4u

static size_t max_message(const struct crew_conn *conn) {
    return conn->endpoint->settings.max_message;
}

static void fail(struct crew_conn *conn, const struct codec_event *event) {
    conn_violate(conn, stream_error_of(event->error), 0, event->text);
}

static void receive_text(struct crew_conn *conn, char **data, size_t *len) {
    struct codec_event event;
    while (conn_is_reading(conn)) {
        switch (text_decoder_next(&conn->as.text, max_message(conn), data, len, &event)) {
        case CODEC_NEED_MORE:
            return;
        case CODEC_MESSAGE:
            conn_deliver(conn, event.data, event.len, CREW_MSG_TEXT);
            break;
        case CODEC_ERROR:
            fail(conn, &event);
            return;
        }
    }
}

int protocol_text_send(struct crew_conn *conn, const void *data, size_t len,
                       enum crew_msg_type type) {
    static const char newline[] = "\n";
    (void)type;
    struct iovec parts[] = {{(void *)(uintptr_t)data, len}, {(void *)(uintptr_t)newline, 1}};
    return conn_write(conn, parts, 2);
}

/* The message between two pieces of framing, as one buffer. NULL without memory. */
static struct buf *enclose(const struct crew_frame *frame, const void *before,
                           size_t before_len, const void *behind, size_t behind_len) {
    const struct buf *plain = frame->plain;
    struct buf *buf = buf_new(before_len + plain->len + behind_len);
    if (!buf)
        return NULL;
    memcpy(buf->data, before, before_len);
    memcpy(buf->data + before_len, plain->data, plain->len);
    memcpy(buf->data + before_len + plain->len, behind, behind_len);
    buf->len = before_len + plain->len + behind_len;
    return buf;
}

static int send_shared_line(struct crew_conn *conn, struct crew_frame *frame) {
    struct buf *form = wire_frame_find(frame, &protocol_text, 0);
    if (!form)
        form = wire_frame_keep(frame, &protocol_text, 0, enclose(frame, "", 0, "\n", 1));
    return form ? conn_write_shared(conn, form) : CREW_ENOMEM;
}

static int64_t unfinished_text(const struct crew_conn *conn) {
    return text_decoder_unfinished(&conn->as.text);
}

static void start_text(struct crew_conn *conn) {
    text_decoder_init(&conn->as.text);
}

static size_t held_text(const struct crew_conn *conn) {
    return codec_buffer_held(conn->as.text.line);
}

static void done_text(struct crew_conn *conn) {
    text_decoder_done(&conn->as.text);
}

static void shed_text(struct crew_conn *conn, bool is_cut) {
    (void)is_cut;
    done_text(conn);
}

const struct protocol protocol_text = {
    .name = "text",
    .has_heartbeat = true,
    .start = start_text,
    .done = done_text,
    .receive = receive_text,
    .unfinished = unfinished_text,
    .held = held_text,
    .shed = shed_text,
    .send = protocol_text_send,
    .send_frame = send_shared_line,
};

static void receive_frame(struct crew_conn *conn, char **data, size_t *len) {
    struct codec_event event;
    while (conn_is_reading(conn)) {
        switch (frame_decoder_next(&conn->as.frame, max_message(conn), data, len, &event)) {
        case CODEC_NEED_MORE:
            return;
        case CODEC_MESSAGE:
            conn_deliver(conn, event.data, event.len, CREW_MSG_BINARY);
            break;
        case CODEC_ERROR:
            fail(conn, &event);
            return;
        }
    }
}

int protocol_frame_send(struct crew_conn *conn, const void *data, size_t len,
                        enum crew_msg_type type) {
    (void)type;
    if (len > UINT32_MAX - FRAME_HEADER)
        return CREW_ETOOBIG;
    uint32_t header = htonl((uint32_t)len + FRAME_HEADER);
    struct iovec parts[] = {{&header, sizeof(header)}, {(void *)(uintptr_t)data, len}};
    return conn_write(conn, parts, 2);
}

static int send_shared_frame(struct crew_conn *conn, struct crew_frame *frame) {
    struct buf *form = wire_frame_find(frame, &protocol_frame, 0);
    size_t len = frame->plain->len;
    if (len > UINT32_MAX - FRAME_HEADER)
        return CREW_ETOOBIG;
    uint32_t header = htonl((uint32_t)len + FRAME_HEADER);
    if (!form)
        form = wire_frame_keep(frame, &protocol_frame, 0,
                               enclose(frame, &header, sizeof(header), "", 0));
    return form ? conn_write_shared(conn, form) : CREW_ENOMEM;
}

static int64_t unfinished_frame(const struct crew_conn *conn) {
    return frame_decoder_unfinished(&conn->as.frame);
}

static void start_frame(struct crew_conn *conn) {
    frame_decoder_init(&conn->as.frame);
}

static size_t held_frame(const struct crew_conn *conn) {
    return codec_buffer_held(conn->as.frame.body);
}

static void done_frame(struct crew_conn *conn) {
    frame_decoder_done(&conn->as.frame);
}

static void shed_frame(struct crew_conn *conn, bool is_cut) {
    (void)is_cut;
    done_frame(conn);
}

const struct protocol protocol_frame = {
    .name = "frame",
    .has_heartbeat = true,
    .begins_without = true, /* a part of a length */
    .start = start_frame,
    .done = done_frame,
    .receive = receive_frame,
    .unfinished = unfinished_frame,
    .held = held_frame,
    .shed = shed_frame,
    .send = protocol_frame_send,
    .send_frame = send_shared_frame,
};
