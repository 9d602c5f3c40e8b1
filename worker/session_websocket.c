/* SPDX-License-Identifier: MIT
 *
 * `websocket` (RFC 6455), server side: the opening handshake, messages, control frames, the
 * closing handshake. The rules on bytes are the codec's (ws_frame.h, ws_handshake.h); here is
 * what is answered.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "accept_key.h"
#include "conn.h"
#include "http_head.h"
#include "worker.h"
#include "ws_handshake.h"

#define FIRST_TEXT   0x81u /* FIN and opcode, RFC 6455 section 5.2 */
#define FIRST_BINARY 0x82u
#define FIRST_PING   0x89u
#define FIRST_PONG   0x8au
#define CONTROL_MAX  125u
#define CODE_FIRST   1000 /* below are HTTP statuses */

#define HEADERS_MAX   256
#define RESPONSE_SIZE 512

static int send_message(struct crew_conn *conn, const void *data, size_t len,
                        enum crew_msg_type type) {
    unsigned char header[WS_HEADER_MAX];
    unsigned first = type == CREW_MSG_BINARY ? FIRST_BINARY : FIRST_TEXT;
    size_t header_len = ws_encode_header(header, first, len);
    struct iovec parts[] = {{header, header_len}, {(void *)(uintptr_t)data, len}};
    return conn_write(conn, parts, len > 0 ? 2 : 1);
}

static void send_control(struct crew_conn *conn, unsigned first, const void *data, size_t len) {
    char frame[2 + CONTROL_MAX];
    frame[0] = (char)first;
    frame[1] = (char)len;
    if (len > 0)
        memcpy(frame + 2, data, len);
    conn_write_control(conn, frame, 2 + len);
}

static const char *status_phrase(int status) {
    switch (status) {
    case 400:
        return "Bad Request";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 414:
        return "URI Too Long";
    case 426:
        return "Upgrade Required";
    case 431:
        return "Request Header Fields Too Large";
    case 501:
        return "Not Implemented";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Service Unavailable";
    }
}

/* What a refusal must name, by status (RFC 9110 sections 10.2.1, 15.5.22; RFC 6455
 * section 4.4). */
static const char *status_fields(int status) {
    if (status == 405)
        return "Allow: GET\r\n";
    if (status == 426)
        return "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    return "";
}

static void respond(struct crew_conn *conn, int status, const char *text) {
    char response[RESPONSE_SIZE];
    int len =
        snprintf(response, sizeof(response),
                 "HTTP/1.1 %d %s\r\n%sContent-Type: text/plain\r\nContent-Length: %zu\r\n"
                 "Connection: close\r\n\r\n%s\n",
                 status, status_phrase(status), status_fields(status), strlen(text) + 1, text);
    sendq_done(&conn->out); /* what the app sent before on_open was meant for a WebSocket */
    if (len > 0 && (size_t)len < sizeof(response) &&
        sendq_prepend(&conn->out, response, (size_t)len) != 0)
        conn_end(conn, CREW_CLOSE_MEMORY, CREW_ENOMEM);
}

static void refuse(struct crew_conn *conn, int status, const char *text) {
    int error = status == 431 || status == 414 ? CREW_ETOOBIG : CREW_EPROTO;
    conn_report(conn, error, text);
    if (conn->state != CONN_OPENING)
        return;
    respond(conn, status, text);
    conn_finish(conn, error == CREW_ETOOBIG ? CREW_CLOSE_LIMIT : CREW_CLOSE_PROTOCOL);
}

static void accept_handshake(struct crew_conn *conn, const struct http_slice *key) {
    char accept[ACCEPT_KEY_SIZE], response[RESPONSE_SIZE];
    if (accept_key_make(key->data, key->len, accept) != 0) {
        conn_end(conn, CREW_CLOSE_MEMORY, CREW_ENOMEM);
        return;
    }
    int len = snprintf(response, sizeof(response),
                       "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                       "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                       accept);
    conn_opened(conn, response, (size_t)len);
}

static void receive_handshake(struct crew_conn *conn, char **data, size_t *len) {
    const struct config_limits *limits = &conn->worker->plan.service.limits;
    struct http_limits http = {.head_size = (size_t)limits->header_size,
                               .fields = limits->headers < HEADERS_MAX ? limits->headers
                                                                       : HEADERS_MAX};
    struct http_field fields[HEADERS_MAX];
    struct http_head head = {.fields = fields, .capacity = HEADERS_MAX};
    int head_len = http_head_parse(*data, *len, &conn->protocol.ws.scanned, &http, &head);
    if (head_len == 0)
        return;
    if (head_len < 0) {
        refuse(conn, -head_len, head.error);
        return;
    }
    struct http_slice key;
    const char *why = "";
    int status = ws_handshake_check(&head, &key, &why);
    if (status != 0) {
        refuse(conn, status, why);
        return;
    }
    *data += head_len;
    *len -= (size_t)head_len;
    accept_handshake(conn, &key);
}

/* Section 5.5.1: answer with the code that came, once; then the server ends the TCP connection
 * first (7.1.1). */
static void receive_close(struct crew_conn *conn, const struct ws_event *event) {
    conn->has_goodbye = true;
    conn->close_code = (uint16_t)event->code;
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
    conn->has_goodbye =
        true; /* nothing that follows can be understood: do not wait for a close frame */
    conn_violate(conn, error, event->code, event->text);
}

static void receive_event(struct crew_conn *conn, const struct ws_event *event) {
    switch (event->type) {
    case WS_MESSAGE:
        if (conn->state == CONN_OPEN)
            conn_deliver(conn, event->data, event->len,
                         event->is_text ? CREW_MSG_TEXT : CREW_MSG_BINARY);
        break;
    case WS_PING:
        if (conn->state == CONN_OPEN)
            send_control(conn, FIRST_PONG, event->data, event->len);
        break;
    case WS_PONG:
        receive_pong(conn, event);
        break;
    case WS_CLOSE:
        receive_close(conn, event);
        break;
    default:
        receive_error(conn, event);
    }
}

/* In CLOSING frames are still read, for the close frame among them. */
static bool wants_frames(const struct crew_conn *conn) {
    return conn_is_reading(conn) || (conn->state == CONN_CLOSING && !conn->has_goodbye);
}

static void receive(struct crew_conn *conn, char **data, size_t *len) {
    struct ws_limits limits = {.max_message =
                                   (size_t)conn->worker->plan.service.limits.max_message};
    struct ws_event event;
    if (conn->state == CONN_OPENING)
        receive_handshake(conn, data, len);
    if (conn->state == CONN_OPENING)
        return;
    while (wants_frames(conn) && ws_decoder_next(&conn->protocol.ws.decoder, &limits, data, len,
                                                 &event) != WS_NEED_MORE)
        receive_event(conn, &event);
}

static size_t want(struct crew_conn *conn, char **out_room) {
    return ws_decoder_want(&conn->protocol.ws.decoder, out_room);
}

static void filled(struct crew_conn *conn, size_t len) {
    ws_decoder_filled(&conn->protocol.ws.decoder, len);
}

static void start(struct crew_conn *conn) {
    ws_decoder_init(&conn->protocol.ws.decoder);
    conn->protocol.ws.scanned = 0;
}

static void done(struct crew_conn *conn) {
    ws_decoder_done(&conn->protocol.ws.decoder);
}

static void goodbye(struct crew_conn *conn, int code, const char *text) {
    if (conn->state == CONN_OPENING) {
        conn->has_goodbye = true;
        respond(conn, code < CODE_FIRST ? code : 503, text ? text : "going away");
        return;
    }
    char frame[WS_CLOSE_MAX];
    size_t len = ws_encode_close(frame, code, text, text ? strlen(text) : 0);
    conn_write_control(conn, frame, len);
}

static void probe(struct crew_conn *conn, uint32_t token) {
    uint32_t payload = htonl(token);
    send_control(conn, FIRST_PING, &payload, sizeof(payload));
}

const struct session session_websocket = {
    .name = "websocket",
    .has_handshake = true,
    .awaits_goodbye = true,
    .start = start,
    .done = done,
    .receive = receive,
    .want = want,
    .filled = filled,
    .send = send_message,
    .goodbye = goodbye,
    .probe = probe,
};
