/* SPDX-License-Identifier: MIT
 *
 * What a datagram holds: one message (`udp`), lines (`udp+text`), frames with a length in front
 * (`udp+frame`) or packages of the app's own framing. What is wrong or incomplete in a datagram
 * ends with it: the rest is dropped and counted, the peer's next datagram starts afresh. Each
 * turn of a loop here consumes a byte at least, whatever the app's functions answer.
 */

#include "app_handler.h"
#include "conn.h"
#include "conn_close.h"
#include "custom.h"
#include "stream.h"
#include "udp.h"

/* One that is lent for a datagram is ENDED and takes all of it. */
static bool takes(const struct crew_conn *conn) {
    return conn->id == 0 || conn_is_reading(conn);
}

static size_t max_message(const struct crew_conn *conn) {
    return conn->endpoint->settings.max_message;
}

static void report(struct crew_conn *conn, const struct codec_event *event) {
    conn_report(conn, stream_error_of(event->error), event->text);
}

/* The end of the datagram ends the last line too: there is no more to wait for. udp.c leaves
 * room for one byte behind the datagram. */
static void take_lines(struct crew_conn *conn, char *data, size_t len) {
    struct text_decoder decoder;
    struct codec_event event;
    if (len > 0 && data[len - 1] != '\n')
        data[len++] = '\n';
    text_decoder_init(&decoder);
    while (len > 0 && takes(conn)) {
        if (text_decoder_next(&decoder, max_message(conn), &data, &len, &event) !=
            CODEC_MESSAGE) {
            report(conn, &event);
            break;
        }
        conn_deliver(conn, event.data, event.len, CREW_MSG_TEXT);
    }
    text_decoder_done(&decoder);
}

static void take_frames(struct crew_conn *conn, char *data, size_t len) {
    struct frame_decoder decoder;
    struct codec_event event;
    frame_decoder_init(&decoder);
    while (len > 0 && takes(conn)) {
        switch (frame_decoder_next(&decoder, max_message(conn), &data, &len, &event)) {
        case CODEC_MESSAGE:
            conn_deliver(conn, event.data, event.len, CREW_MSG_BINARY);
            break;
        case CODEC_NEED_MORE:
            conn_report(conn, CREW_EPROTO, "the datagram ends inside a frame");
            break;
        case CODEC_ERROR:
            report(conn, &event);
            len = 0;
            break;
        }
    }
    frame_decoder_done(&decoder);
}

static void take_packages(struct crew_conn *conn, char *data, size_t len) {
    while (len > 0 && takes(conn)) {
        ptrdiff_t size = app_handler_input(conn, data, len);
        if (!takes(conn))
            return;
        if (size <= 0 || (size_t)size > len) {
            conn_report(conn, CREW_EPROTO,
                        size < 0 ? "the protocol's input refused it"
                                 : "the datagram ends inside a package");
            return;
        }
        if (custom_deliver(conn, data, (size_t)size) != 0) {
            conn_report(conn, CREW_EPROTO, "the protocol's decode refused it");
            return;
        }
        data += size;
        len -= (size_t)size;
    }
}

void protocol_udp_take(struct crew_conn *conn, char *data, size_t len) {
    if (conn->protocol == &protocol_udp_text)
        take_lines(conn, data, len);
    else if (conn->protocol == &protocol_udp_frame)
        take_frames(conn, data, len);
    else if (conn->protocol == &protocol_udp_custom)
        take_packages(conn, data, len);
    else
        conn_deliver(conn, data, len, CREW_MSG_BINARY);
}

/* conn_write() knows what keeps its boundaries: the senders are those of the streams. */
const struct protocol protocol_udp = {
    .name = "udp", .has_heartbeat = true, .send = protocol_tcp_send};

const struct protocol protocol_udp_text = {
    .name = "udp+text", .has_heartbeat = true, .send = protocol_text_send};

const struct protocol protocol_udp_frame = {
    .name = "udp+frame", .has_heartbeat = true, .send = protocol_frame_send};

const struct protocol protocol_udp_custom = {.name = "udp+custom",
                                             .has_heartbeat = true,
                                             .connected = protocol_custom_connected,
                                             .done = protocol_custom_done,
                                             .held = protocol_custom_held,
                                             .shed = protocol_custom_shed,
                                             .send = custom_send};
