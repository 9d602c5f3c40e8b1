/* SPDX-License-Identifier: MIT
 *
 * See protocol_http.h. Data: one exchange (request.h) from the first byte of a head to the last
 * of its answer. The next head is not looked at before; what was pipelined waits in the stash,
 * and beyond a bound in the kernel.
 */
#include "protocol_http.h"

#include "conn_close.h"
#include "conn_held.h"
#include "conn_queue.h"
#include "conn_state.h"
#include "exchange.h"
#include "handshake.h"
#include "http1.h"
#include "http1_refusal.h"
#include "intake.h"
#include "reply.h"
#include "request.h"
#include "service.h"
#include "ws.h"

static const struct config_limits *limits_of(const struct crew_conn *conn) {
    return &service_of(conn)->config->limits;
}

static bool is_http(const struct crew_conn *conn) {
    return conn->protocol == &protocol_http;
}

void protocol_http_shared_init(struct http_shared *shared) {
    exchange_table_init(&shared->exchanges);
    failed_answer_init(&shared->failed_answers);
    spills_init(&shared->spills);
}

void protocol_http_shared_done(struct http_shared *shared) {
    exchange_table_done(&shared->exchanges);
}

struct crew_request *protocol_http_request(const struct crew_conn *conn) {
    struct crew_request *request = is_http(conn) ? conn->as.http.request : NULL;
    return request && exchange_is_waiting(request) ? request : NULL;
}

/* Is it still this one that waits? Any callback may have answered it, so that it is gone, or
 * ended the connection. */
static bool is_current(const struct crew_conn *conn, const struct crew_request *request) {
    return is_http(conn) && conn->as.http.request == request && conn->state <= CONN_OPEN;
}

static void keep(struct crew_conn *conn, struct crew_request *request) {
    if (is_current(conn, request))
        exchange_keep(request);
}

static void give_back(struct crew_conn *conn) {
    struct crew_request *request = conn->as.http.request;
    conn->as.http.request = NULL;
    if (!request)
        return;
    exchange_free(request);
    if (conn->held > 0)
        conn_count_again(conn);
}

static void start(struct crew_conn *conn) {
    conn->as.http.request = NULL;
    conn->as.http.scanned = 0;
    if (service_of(conn)->config->listen.protocol == LISTEN_HTTP)
        conn_set_state(conn, CONN_OPEN);
    /* A quiet HTTP client is not a dead one: it waits, for an answer or for its user. Deadlines
     * of their own apply. */
    liveness_suspend(&conn->liveness);
}

static size_t held(const struct crew_conn *conn) {
    return conn->as.http.request ? request_held(conn->as.http.request) : 0;
}

static void done(struct crew_conn *conn) {
    give_back(conn);
}

/* RFC 9110 section 7.8: in HTTP/1.0 it means nothing. */
static bool asks_for_websocket(const struct http_head *head) {
    return head->wants_upgrade && head->minor_version >= 1 &&
           http_head_list_has(head, "upgrade", "websocket");
}

static void dispatch(struct crew_conn *conn, struct crew_request *request) {
    conn_await(conn, DEADLINE_NONE); /* it is the app's turn */
    exchange_dispatch(request);
}

static void begin_body(struct crew_conn *conn, struct crew_request *request) {
    if (!intake_begin(request))
        return;
    http_body_init(&request->body, &request->head);
    request->has_body = true;
    if (request->is_streaming_body) {
        dispatch(conn, request);
        keep(conn, request);
    }
    if (is_current(conn, request) && request->head.expects_continue &&
        request->reply == REPLY_NONE)
        http1_send_continue(conn);
}

static void begin_request(struct crew_conn *conn, struct crew_request *request) {
    const struct http_head *head = &request->head;
    bool has_body = head->is_chunked || head->content_length > 0;
    switch (intake_head(request, has_body, asks_for_websocket(head))) {
    case INTAKE_REFUSED:
        return;
    case INTAKE_HANDSHAKE:
        handshake_answer(conn, request);
        return;
    case INTAKE_PLAIN:
        http1_begin_plain(conn);
        if (has_body)
            begin_body(conn, request);
        else
            dispatch(conn, request);
        conn_tell_drained(conn); /* of what waited for the handshake that is none */
    }
}

static const struct http_wire wire;

/* Answers whether the loop may go on. */
static bool receive_head(struct crew_conn *conn, char **data, size_t *len) {
    const struct config_limits *limits = limits_of(conn);
    struct http_limits http = {.head_size = (size_t)limits->header_size,
                               .fields = limits->headers};
    struct crew_request *request = exchange_new(conn, &wire);
    conn->as.http.request = request;
    if (!request) {
        conn_end(conn, CREW_CLOSE_MEMORY, CREW_ENOMEM);
        return false;
    }
    int head_len = http_head_parse(*data, *len, &conn->as.http.scanned, &http, &request->head);
    if (head_len == 0) {
        give_back(conn);
        /* An empty line behind a request begins no other (RFC 9112 section 2.2). */
        bool has_begun = *len > 2 || **data != '\r';
        if (has_begun && conn->awaits != DEADLINE_HANDSHAKE)
            conn_await(conn, DEADLINE_HANDSHAKE);
        return false;
    }
    conn->as.http.scanned = 0;
    if (head_len < 0) {
        exchange_refuse(request, -head_len, request->head.error);
        return false;
    }
    request->head_data = *data;
    request->head_len = (size_t)head_len;
    *data += head_len;
    *len -= (size_t)head_len;
    begin_request(conn, request);
    return true;
}

/* The same: false when the body needs more, or has been refused. */
static bool receive_body(struct crew_conn *conn, struct crew_request *request, char **data,
                         size_t *len) {
    struct http_body_limits limits = {.max_body = intake_bound(request),
                                      .overhead = (size_t)limits_of(conn)->header_size};
    struct http_body_event event;
    while (is_current(conn, request) && !request->is_body_over && conn_is_reading(conn)) {
        switch (http_body_next(&request->body, &limits, data, len, &event)) {
        case HTTP_BODY_NEED_MORE:
            return false;
        case HTTP_BODY_DATA:
            if (!intake_data(request, event.data, event.len))
                return false;
            break;
        case HTTP_BODY_TRAILER:
            if (!intake_trailer(request, &event.trailer))
                return false;
            break;
        case HTTP_BODY_END:
            conn_await(conn, DEADLINE_NONE);
            intake_end(request);
            break;
        case HTTP_BODY_ERROR:
            exchange_refuse(request, event.status, event.text);
            return false;
        default:
            break;
        }
    }
    return true;
}

/* Answers that the peer does not take hold up its further requests; so do open files. What
 * waits for a handshake does not: it goes out behind that. */
static bool may_go_on(const struct crew_conn *conn) {
    bool has_room =
        conn->state == CONN_OPENING || conn->out.bytes <= limits_of(conn)->max_send_buffer / 2;
    return is_http(conn) && conn_is_reading(conn) && conn->out.file_bytes == 0 && has_room;
}

static bool is_in_body(const struct crew_request *request) {
    return request && request->has_body && !request->is_body_over;
}

/* The end of a body that was paused behind its last byte. */
static bool has_rest(const struct crew_conn *conn) {
    const struct crew_request *request = conn->as.http.request;
    return (is_in_body(request) && http_body_is_whole(&request->body)) ||
           (request && request->owes_last_piece);
}

static int64_t unfinished(const struct crew_conn *conn) {
    const struct crew_request *request = conn->as.http.request;
    if (!is_in_body(request))
        return -1;
    return (int64_t)(request->body.size + request->body.overhead);
}

static void receive(struct crew_conn *conn, char **data, size_t *len) {
    while (may_go_on(conn)) {
        struct crew_request *request = conn->as.http.request;
        if (is_in_body(request)) {
            if (!receive_body(conn, request, data, len))
                break;
        } else if (request && request->owes_last_piece) {
            intake_end_of_none(request);
        } else if (request) {
            break; /* its answer comes first */
        } else if (*len == 0 || !receive_head(conn, data, len)) {
            break;
        }
    }
    if (is_http(conn) && conn->as.http.request)
        keep(conn, conn->as.http.request);
    else if (!is_http(conn) && conn->state <= CONN_CLOSING && *len > 0)
        conn->protocol->receive(conn, data, len); /* frames right behind the handshake */
}

/* What came meanwhile: requests behind the one that is answered, or the rest of a body that was
 * held up by what was queued. */
static void drained(struct crew_conn *conn) {
    bool has_rest = conn->stash || conn->as.http.request;
    if (has_rest && conns_of(conn)->feeding != conn)
        conns_due(conn);
}

static void refuse_request(struct crew_request *request, int status, int error,
                           const char *text) {
    http1_refusal_begin(request->conn, status, error, text);
}

/* The answer is complete: the next request, or the end. */
static void ended(struct crew_request *request) {
    struct crew_conn *conn = request->conn;
    bool closes = request->closes_after || !request->is_body_over;
    give_back(conn);
    if (closes) {
        conn_finish(conn, CREW_CLOSE_LOCAL);
        return;
    }
    conn_await(conn, DEADLINE_KEEP_ALIVE);
    drained(conn);
}

static const struct http_wire wire = {
    .refuse = refuse_request,
    .check_head = http1_check_head,
    .send_head = http1_send_head,
    .send_piece = http1_send_piece,
    .send_end = http1_send_end,
    .send_bytes = http1_send_bytes,
    .send_file = http1_send_file,
    .flush = http1_flush,
    .abandon = http1_abandon,
    .ended = ended,
};

/* A plain send is the body of a whole answer, as in Workerman; on a `websocket` service before
 * the handshake it is a message for later. */
static int send_answer(struct crew_conn *conn, const void *data, size_t len,
                       enum crew_msg_type type) {
    if (conn->state == CONN_OPENING)
        return protocol_websocket.send(conn, data, len, type);
    struct crew_request *request = protocol_http_request(conn);
    if (!request)
        return conn->state > CONN_OPEN ? CREW_ECLOSED : CREW_ESTATE;
    return failed_answer_note(request,
                              reply_whole(request, 200, "text/html;charset=utf-8", data, len));
}

/* An answer that has begun, or may have been cut, cannot be followed by another. */
static void shed(struct crew_conn *conn, bool is_cut) {
    const struct crew_request *request = conn->as.http.request;
    bool is_first = conn->state == CONN_OPENING || !is_cut;
    if (conn->state <= CONN_OPEN && is_first && (!request || request->reply == REPLY_NONE))
        http1_refusal_send(conn, 503, "out of memory");
    conn->as.http.scanned = 0;
    give_back(conn);
}

/* A reload or stop lets an answer that is being made finish; a reload also waits for the next
 * request of a connection that is kept alive, whose answer then says that it was the last: a
 * client that just sends one is not refused. */
static bool lingers(struct crew_conn *conn, int reason) {
    struct crew_request *request = conn->as.http.request;
    if (request)
        request->closes_after = true;
    return request != NULL || (reason == CREW_CLOSE_RELOAD && conn->state == CONN_OPEN);
}

static void expired(struct crew_conn *conn, enum deadline deadline) {
    if (deadline == DEADLINE_KEEP_ALIVE)
        conn_finish(conn, CREW_CLOSE_TIMEOUT);
    else if (deadline == DEADLINE_MESSAGE)
        http1_refusal_begin(conn, 408, CREW_ETIMEOUT,
                            "too little of the body came within message_timeout");
    else if (conn->bytes_in == 0 && conn->state == CONN_OPEN) /* a spare that browsers open */
        conn_finish(conn, CREW_CLOSE_TIMEOUT);
    else
        http1_refusal_begin(conn, 408, CREW_ETIMEOUT, "no request within handshake_timeout");
}

const struct protocol protocol_http = {
    .name = "http",
    .has_handshake = true,
    .has_probe = true, /* the WebSocket's */
    .start = start,
    .done = done,
    .receive = receive,
    .has_rest = has_rest,
    .unfinished = unfinished,
    .held = held,
    .send = send_answer,
    .goodbye = http1_refusal_goodbye,
    .turn_away = http1_refusal_turn_away,
    .shed = shed,
    .lingers = lingers,
    .drained = drained,
    .expired = expired,
};
