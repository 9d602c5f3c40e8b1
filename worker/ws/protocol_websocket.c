/* SPDX-License-Identifier: MIT
 *
 * WebSocket (RFC 6455) after the opening handshake, server side: messages, control frames, the
 * closing handshake. The rules on bytes are the codec's (ws_frame.h); here is what is answered.
 */
#include <arpa/inet.h>
#include <string.h>

#include "codec_memory.h"
#include "conn_close.h"
#include "conn_cork.h"
#include "conn_held.h"
#include "conn_out.h"
#include "conn_queue.h"
#include "conn_state.h"
#include "service.h"
#include "wire_frame.h"
#include "worker.h"
#include "ws.h"

#define FIRST_TEXT   0x81u /* FIN and opcode, RFC 6455 section 5.2 */
#define FIRST_BINARY 0x82u
#define FIRST_PING   0x89u
#define FIRST_PONG   0x8au
#define RSV1         0x40u /* compressed, RFC 7692 section 6 */
#define CONTROL_MAX  125u
#define DEFLATE_MORE 64u /* our header, and what compressing may add to a short message */

static int send_plain(struct crew_conn *conn, unsigned first, const void *data, size_t len) {
    char *room = len > 0 ? conn_gather(conn, WS_HEADER_MAX + len) : NULL;
    if (room) {
        size_t size = ws_encode_header((unsigned char *)room, first, len);
        memcpy(room + size, data, len);
        return conn_gathered(conn, size + len);
    }
    unsigned char header[WS_HEADER_MAX];
    size_t header_len = ws_encode_header(header, first, len);
    struct iovec parts[] = {{header, header_len}, {(void *)(uintptr_t)data, len}};
    return conn_write(conn, parts, len > 0 ? 2 : 1);
}

/* Compressed with the context of what was sent before, a message that is then refused would
 * leave the peer behind: so it is refused before, by the most that it can come to
 * (deflateBound() of zlib), and if there is no memory for it the connection is over. */
static int send_deflated(struct crew_conn *conn, unsigned first, const void *data, size_t len) {
    const struct config_websocket *config = &service_of(conn)->config->websocket;
    struct codec_buffer *small = NULL;
    if (config->deflate_context && !conn_fits(conn, len + len / 8 + len / 64 + DEFLATE_MORE)) {
        conns_of(conn)->totals.send_failures++;
        return CREW_EFULL;
    }
    int result = ws_deflate_message(conn->as.ws.deflate, &service_of(conn)->worker->ws,
                                    (int)config->deflate_level, data, len, &small);
    if (result == 0)
        result =
            send_plain(conn, first | RSV1, small ? small->data : "", small ? small->len : 0);
    codec_buffer_free(&small);
    if (config->deflate_context)
        conn_count_held(conn); /* the first of them makes a compressor */
    if (result < 0 && config->deflate_context && conn->state <= CONN_OPEN)
        conn_end(conn, CREW_CLOSE_LIMIT, result);
    return result;
}

static int send_message(struct crew_conn *conn, const void *data, size_t len,
                        enum crew_msg_type type) {
    unsigned first = type == CREW_MSG_BINARY ? FIRST_BINARY : FIRST_TEXT;
    bool is_open = conn->protocol == &protocol_websocket && conn->state == CONN_OPEN;
    if (is_open && conn->as.ws.deflate &&
        len >= service_of(conn)->config->websocket.deflate_min)
        return send_deflated(conn, first, data, len);
    return send_plain(conn, first, data, len);
}

static struct buf *encode(unsigned first, const void *data, size_t len) {
    struct buf *buf = buf_new(WS_HEADER_MAX + len);
    if (!buf)
        return NULL;
    buf->len = ws_encode_header((unsigned char *)buf->data, first, len);
    if (len > 0)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    return buf;
}

static struct buf *encode_deflated(struct crew_conn *conn, unsigned first,
                                   const struct buf *plain) {
    struct codec_buffer *small = NULL;
    int level = (int)service_of(conn)->config->websocket.deflate_level;
    struct buf *buf = NULL;
    if (ws_deflate_message(conn->as.ws.deflate, &service_of(conn)->worker->ws, level,
                           plain->data, plain->len, &small) == 0)
        buf = encode(first | RSV1, small ? small->data : "", small ? small->len : 0);
    codec_buffer_free(&small);
    return buf;
}

/* Compressed forms differ by the window that was agreed on, and by the level of the service.
 * What is compressed with the context of one connection is of no use to another. */
static int send_frame(struct crew_conn *conn, struct crew_frame *frame) {
    const struct config_websocket *config = &service_of(conn)->config->websocket;
    const struct buf *plain = frame->plain;
    unsigned first = frame->type == CREW_MSG_BINARY ? FIRST_BINARY : FIRST_TEXT;
    bool deflates = conn->as.ws.deflate && plain->len >= config->deflate_min;
    if (deflates && config->deflate_context)
        return send_message(conn, plain->data, plain->len, frame->type);
    uint32_t variant =
        deflates ? (ws_deflate_bits(conn->as.ws.deflate) << 8) + (uint32_t)config->deflate_level
                 : 0;
    struct buf *form = wire_frame_find(frame, &protocol_websocket, variant);
    if (!form)
        form = wire_frame_keep(frame, &protocol_websocket, variant,
                               deflates ? encode_deflated(conn, first, plain)
                                        : encode(first, plain->data, plain->len));
    return form ? conn_write_shared(conn, form) : CREW_ENOMEM;
}

static size_t encode_control(char *frame, unsigned first, const void *data, size_t len) {
    frame[0] = (char)first;
    frame[1] = (char)len;
    if (len > 0)
        memcpy(frame + 2, data, len);
    return 2 + len;
}

/* Section 5.5.3: of pings that wait for their answer only the last needs one. */
static void send_pong(struct crew_conn *conn, const void *data, size_t len) {
    char frame[2 + CONTROL_MAX];
    conn_write_latest(conn, frame, encode_control(frame, FIRST_PONG, data, len));
}

/* Section 5.5.1: answer with the code that came, once; then the server ends the TCP connection
 * first (7.1.1). */
static void receive_close(struct crew_conn *conn, const struct ws_event *event) {
    conn_note_goodbye(conn, event->code);
    if (conn->state != CONN_OPEN)
        return;
    char frame[WS_CLOSE_MAX];
    size_t len = ws_encode_close(frame, event->code == WS_CODE_NONE ? 0 : event->code, NULL, 0);
    conn_write_control(conn, frame, len);
    conn_finish(conn, CREW_CLOSE_PEER);
}

static void receive_pong(struct crew_conn *conn, const struct ws_event *event) {
    uint32_t token;
    if (event->len != sizeof(token))
        return;
    memcpy(&token, event->data, sizeof(token));
    reaper_answered(conn, ntohl(token));
}

static void receive_error(struct crew_conn *conn, const struct ws_event *event) {
    int error = event->code == WS_CODE_TOO_BIG    ? CREW_ETOOBIG
                : event->code == WS_CODE_INTERNAL ? CREW_ENOMEM
                                                  : CREW_EPROTO;
    conn_note_garbled(conn);
    conn_violate(conn, error, event->code, event->text);
}

static void tell(struct crew_conn *conn, void (*callback)(crew_conn *, const crew_msg *),
                 const struct ws_event *event) {
    crew_msg payload = {.data = event->data,
                        .len = event->len,
                        .type = CREW_MSG_BINARY,
                        .size = sizeof(payload)};
    if (conn->state == CONN_OPEN)
        callback(conn, &payload);
}

/* Between two messages a control frame has a time of its own; inside of one it gains none. */
static void note_control(struct crew_conn *conn) {
    if (!ws_decoder_is_in_message(&conn->as.ws.decoder))
        conn_note_complete(conn);
}

/* Not inlined: it would cost each message. */
static __attribute__((noinline)) void receive_control(struct crew_conn *conn,
                                                      const struct ws_event *event) {
    switch (event->type) {
    case WS_PING:
        note_control(conn);
        if (conn->state == CONN_OPEN)
            send_pong(conn, event->data, event->len);
        tell(conn, conn->endpoint->handler->ping, event);
        break;
    case WS_PONG:
        note_control(conn);
        receive_pong(conn, event);
        tell(conn, conn->endpoint->handler->pong, event);
        break;
    case WS_CLOSE:
        receive_close(conn, event);
        break;
    default:
        receive_error(conn, event);
    }
}

static void receive_event(struct crew_conn *conn, const struct ws_event *event) {
    if (event->type != WS_MESSAGE)
        receive_control(conn, event);
    else if (conn->state == CONN_OPEN)
        conn_deliver(conn, event->data, event->len,
                     event->is_text ? CREW_MSG_TEXT : CREW_MSG_BINARY);
}

/* In CLOSING frames are still read, for the close frame among them. */
static bool wants_frames(const struct crew_conn *conn) {
    return conn_is_reading(conn) ||
           (conn->state == CONN_CLOSING && !conn->has_goodbye && !conn->is_garbled);
}

/* What inflates to a thousand times its size is taken in small pieces, however much of it is
 * there; answers how much is held back. */
static size_t hold_back(const struct crew_conn *conn, size_t *len) {
    if (!conn->as.ws.deflate || *len <= WS_COMPRESSED_PIECE || conn->state != CONN_OPEN)
        return 0;
    size_t held = *len - WS_COMPRESSED_PIECE;
    *len = WS_COMPRESSED_PIECE;
    return held;
}

static void receive(struct crew_conn *conn, char **data, size_t *len) {
    struct ws_limits limits = {.max_message = conn->endpoint->settings.max_message,
                               .shared_inflater = service_of(conn)->worker->ws.inflater};
    struct ws_event event;
    struct endpoint *endpoint = conn->endpoint;
    size_t held = hold_back(conn, len);
    bool is_row = false;
    while (wants_frames(conn) &&
           ws_decoder_next(&conn->as.ws.decoder, &limits, data, len, &event) != WS_NEED_MORE) {
        /* To inflate takes its time, which is not the app's. */
        if (!is_row && *len > 0 && !conn->as.ws.deflate)
            is_row = endpoint->handler->begin_row(endpoint);
        receive_event(conn, &event);
        if (conn->state != CONN_OPEN) { /* nothing waits any more: up to the goodbye */
            *len += held;
            held = 0;
        }
    }
    if (is_row)
        endpoint->handler->end_row(endpoint);
    *len += held;
    conn->holds_back = held > 0;
    if (held > 0)
        conns_later(conn);
}

static int64_t unfinished(const struct crew_conn *conn) {
    return conn->as.ws.decoder.partial ? ws_decoder_unfinished(&conn->as.ws.decoder) : -1;
}

static size_t want(struct crew_conn *conn, char **out_room) {
    return ws_decoder_want(&conn->as.ws.decoder, out_room);
}

static void filled(struct crew_conn *conn, size_t len) {
    ws_decoder_filled(&conn->as.ws.decoder, len);
}

static void done(struct crew_conn *conn) {
    ws_decoder_done(&conn->as.ws.decoder);
    ws_deflate_free(conn->as.ws.deflate);
}

static size_t held(const struct crew_conn *conn) {
    const struct ws_decoder *decoder = &conn->as.ws.decoder;
    const struct ws_deflate *deflate = conn->as.ws.deflate;
    return ws_decoder_held(decoder) + (deflate ? ws_deflate_held(deflate) : 0);
}

static void goodbye(struct crew_conn *conn, int code, const char *text) {
    char frame[WS_CLOSE_MAX];
    size_t len = ws_encode_close(frame, code, text, text ? strlen(text) : 0);
    conn_write_control(conn, frame, len);
}

/* What is cut ends between frames: each lies in one piece. */
static void shed(struct crew_conn *conn, bool is_cut) {
    (void)is_cut;
    done(conn);
    conn->as.ws.deflate = NULL;
    conn_note_garbled(conn);
    if (conn->state == CONN_OPEN)
        goodbye(conn, WS_CODE_TRY_LATER, "out of memory");
}

/* One inflater serves all messages that stand alone. */
static void agree(struct crew_conn *conn, const struct ws_deflate_terms *terms) {
    struct ws_shared *shared = &service_of(conn)->worker->ws;
    conn->as.ws.deflate = ws_deflate_new(terms);
    ws_decoder_allow_deflate(&conn->as.ws.decoder, terms->client_bits,
                             terms->client_keeps_context);
    if (!shared->inflater)
        shared->inflater = deflate_inflater_new(DEFLATE_BITS_MAX);
}

void protocol_websocket_begin(struct crew_conn *conn, const struct ws_deflate_terms *terms,
                              const char *response, size_t len) {
    conn->protocol->done(conn);
    if (conn->state > CONN_OPEN) /* by the destructor of what the app hung on the request */
        return;
    conn->protocol = &protocol_websocket;
    conn->as.ws.deflate = NULL;
    ws_decoder_init(&conn->as.ws.decoder);
    if (terms)
        agree(conn, terms);
    if (terms && !conn->as.ws.deflate) {
        conn_end(conn, CREW_CLOSE_MEMORY, CREW_ENOMEM);
        return;
    }
    conn_count_again(conn); /* not seen in `first` */
    if (!conn->is_paused)
        liveness_resume(&conn->endpoint->reaper.lists, &conn->liveness);
    conn_opened(conn, response, len);
}

static void probe(struct crew_conn *conn, uint32_t token) {
    uint32_t payload = htonl(token);
    char frame[2 + sizeof(payload)];
    size_t len = encode_control(frame, FIRST_PING, &payload, sizeof(payload));
    conn_write_control(conn, frame, len);
}

const struct protocol protocol_websocket = {
    .name = "websocket",
    .has_heartbeat = true,
    .has_probe = true,
    .awaits_goodbye = true,
    .done = done,
    .receive = receive,
    .want = want,
    .filled = filled,
    .unfinished = unfinished,
    .held = held,
    .send = send_message,
    .send_frame = send_frame,
    .goodbye = goodbye,
    .shed = shed,
    .probe = probe,
};
