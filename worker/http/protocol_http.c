/* SPDX-License-Identifier: MIT
 *
 * See protocol_http.h. Data: one exchange (request.h) from the first byte of a head to the last
 * of its answer. The next head is not looked at before; what was pipelined waits in the stash,
 * and beyond a bound in the kernel.
 */
#include "protocol_http.h"

#include <stdlib.h>
#include <string.h>

#include "app_handler.h"
#include "conn_close.h"
#include "conn_queue.h"
#include "conn_state.h"
#include "handshake.h"
#include "http1.h"
#include "protocol_http_body.h"
#include "proxies.h"
#include "reply.h"
#include "request.h"
#include "service.h"
#include "upload.h"
#include "worker.h"
#include "ws.h"

#define ID_OF_REQUEST   (UINT64_C(1) << 63)
#define ID_COUNTER_BITS 39 /* the process has 24 */
#define ID_COUNTER_MAX  ((UINT64_C(1) << ID_COUNTER_BITS) - 1)

static struct http_shared *shared_of(const struct crew_conn *conn) {
    return &service_of(conn)->worker->http;
}

static const struct config_limits *limits_of(const struct crew_conn *conn) {
    return &service_of(conn)->config->limits;
}

static bool is_http(const struct crew_conn *conn) {
    return conn->protocol == &protocol_http;
}

void protocol_http_shared_init(struct http_shared *shared) {
    idmap_init(&shared->requests, offsetof(struct crew_request, id));
}

void protocol_http_shared_done(struct http_shared *shared) {
    idmap_done(&shared->requests);
    request_free(shared->spare);
    shared->spare = NULL;
}

/* Once the connection is closing, what was not copied lies in memory of others. */
struct crew_request *protocol_http_request(const struct crew_conn *conn) {
    struct crew_request *request = is_http(conn) ? conn->as.http.request : NULL;
    bool is_there =
        request && request->is_parsed && (conn->state <= CONN_OPEN || request_is_kept(request));
    return is_there ? request : NULL;
}

/* The highest bit is that of no connection's id: what is kept of one never finds the other. */
uint64_t protocol_http_id(struct crew_request *request) {
    struct worker *worker = service_of(request->conn)->worker;
    if (request->id || request->is_over)
        return request->id;
    uint64_t counter = ++worker->http.last_id & ID_COUNTER_MAX;
    request->id = ID_OF_REQUEST | (uint64_t)worker->plan.process << ID_COUNTER_BITS | counter;
    if (idmap_put(&worker->http.requests, request) != 0)
        request->id = 0;
    return request->id;
}

struct crew_request *protocol_http_find(const struct worker *worker, uint64_t id) {
    struct crew_request *request = idmap_find(&worker->http.requests, id);
    return request && protocol_http_request(request->conn) == request ? request : NULL;
}

static const struct http_wire wire;

static struct crew_request *take_request(struct crew_conn *conn) {
    struct http_shared *shared = shared_of(conn);
    struct crew_request *request = shared->spare;
    uint32_t capacity = limits_of(conn)->headers;
    shared->spare = NULL;
    if (request && request->field_capacity != capacity) { /* of a service with other limits */
        request_free(request);
        request = NULL;
    }
    if (!request)
        request = request_new(capacity);
    if (request) {
        request->conn = conn;
        request->wire = &wire;
    }
    conn->as.http.request = request;
    return request;
}

/* Forgotten first: whoever sets other data in the destructor does not end this one again. */
static void drop_data(struct crew_request *request) {
    void *data = request->data;
    void (*destructor)(void *) = request->data_destructor;
    request->data = NULL;
    request->data_destructor = NULL;
    if (data && destructor)
        app_handler_destroy(request->conn, destructor, data);
}

static void release(struct guard_held *held) {
    struct crew_request *request = (struct crew_request *)(void *)held; /* its first member */
    struct http_shared *shared = shared_of(request->conn);
    drop_data(request);
    request_reset(request);
    if (shared->spare)
        request_free(request);
    else
        shared->spare = request;
}

/* The app may hold it in its hand still, when it has been answered just now. */
static void give_back(struct crew_conn *conn) {
    struct crew_request *request = conn->as.http.request;
    conn->as.http.request = NULL;
    if (!request)
        return;
    if (request->id)
        idmap_take(&shared_of(conn)->requests, request->id);
    request->is_over = true;
    request->held.release = release;
    guard_hold(&service_of(conn)->worker->guard, &request->held);
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

static void done(struct crew_conn *conn) {
    give_back(conn);
}

/* Of a `websocket` service: from its first plain request on the connection is an HTTP one, and
 * what the app had sent for the WebSocket to come is void. */
static void begin_plain(struct crew_conn *conn) {
    if (conn->state != CONN_OPENING)
        return;
    sendq_done(&conn->out);
    conn_set_state(conn, CONN_OPEN);
}

static void write_error(struct crew_conn *conn, int status, const char *text) {
    const struct crew_request *request = conn->as.http.request;
    begin_plain(conn);
    http1_send_error(conn, status, text, !request || request->head.method_id != HTTP_HEAD);
}

static int error_of(int status) {
    switch (status) {
    case 408:
        return CREW_ETIMEOUT;
    case 413:
    case 414:
    case 431:
        return CREW_ETOOBIG;
    default:
        return CREW_EPROTO;
    }
}

static int reason_of(int error) {
    switch (error) {
    case CREW_ETIMEOUT:
        return CREW_CLOSE_TIMEOUT;
    case CREW_ETOOBIG:
        return CREW_CLOSE_LIMIT;
    case CREW_EPROTO:
        return CREW_CLOSE_PROTOCOL;
    default:
        return CREW_CLOSE_MEMORY;
    }
}

/* What came of a form is of no more use, while the answer may take its time. */
static void drop_upload(struct crew_conn *conn) {
    struct crew_request *request = conn->as.http.request;
    if (request && !request->is_dispatched) {
        upload_free(request->upload);
        request->upload = NULL;
        request->form_pairs = NULL; /* they lay in it */
        request->has_form_pairs = true;
    }
}

void protocol_http_refuse_for(struct crew_conn *conn, int status, int error, const char *text) {
    struct crew_request *request = conn->as.http.request;
    if (request) {
        request->closes_after = true; /* and so says an answer that the app gives in on_error */
        if (request->is_parsed && !request->is_handshake)
            begin_plain(conn);
    }
    conn_report(conn, error, text);
    if (conn->state > CONN_OPEN)
        return;
    bool has_answer =
        request && (conn->as.http.request != request || request->reply != REPLY_NONE);
    if (!has_answer)
        write_error(conn, status, text);
    drop_upload(conn);
    conn_finish(conn, reason_of(error));
}

void protocol_http_refuse(struct crew_conn *conn, int status, const char *text) {
    protocol_http_refuse_for(conn, status, error_of(status), text);
}

static bool wants_websocket(const struct crew_conn *conn, const struct crew_request *request) {
    const struct service *service = service_of(conn);
    /* RFC 9110 section 7.8: in HTTP/1.0 it means nothing. */
    bool wants_upgrade = request->head.wants_upgrade && request->head.minor_version >= 1;
    bool has_pages = service->app.on_request || service->files.is_on;
    if (service->config->listen.protocol == LISTEN_WEBSOCKET && !has_pages)
        return true;
    bool has_sockets =
        service->app.on_message || service->config->listen.protocol == LISTEN_WEBSOCKET;
    return has_sockets && wants_upgrade &&
           http_head_list_has(&request->head, "upgrade", "websocket");
}

void protocol_http_dispatch(struct crew_conn *conn, struct crew_request *request) {
    request->is_dispatched = true;
    conn_await(conn, DEADLINE_NONE);
    conn->messages_in++;
    conns_of(conn)->totals.messages_in++;
    if (static_answer(conn, request))
        return;
    if (service_of(conn)->app.on_request)
        app_handler_request(conn, request);
    else
        protocol_http_refuse(conn, 404, "nothing here");
}

bool protocol_http_is_current(const struct crew_conn *conn,
                              const struct crew_request *request) {
    return is_http(conn) && conn->as.http.request == request && conn->state <= CONN_OPEN;
}

void protocol_http_keep(struct crew_conn *conn, struct crew_request *request) {
    if (protocol_http_is_current(conn, request) && request->reply != REPLY_DONE &&
        request_keep(request) != 0)
        conn_end(conn, CREW_CLOSE_MEMORY, CREW_ENOMEM);
}

static void begin_request(struct crew_conn *conn, struct crew_request *request) {
    if (!proxies_read_head(conn, &request->head))
        return;
    int status = http_target_parse(&request->head, &request->target);
    if (status < 0) {
        protocol_http_refuse(conn, -status,
                             status == -501 ? "this is no proxy: CONNECT is not implemented"
                                            : "the request target is malformed");
        return;
    }
    request->is_parsed = true;
    if (request->head.has_other_expectation) {
        protocol_http_refuse(conn, 417, "this expectation cannot be met");
        return;
    }
    request->is_head_only = request->head.method_id == HTTP_HEAD;
    bool has_body = request->head.is_chunked || request->head.content_length > 0;
    request->is_body_over = !has_body;
    request->owes_last_piece = !has_body && service_of(conn)->app.on_body;
    if (wants_websocket(conn, request)) {
        handshake_answer(conn, request);
        return;
    }
    begin_plain(conn);
    if (has_body)
        protocol_http_body_begin(conn, request);
    else
        protocol_http_dispatch(conn, request);
    conn_tell_drained(conn); /* of what waited for the handshake that is none */
}

/* Answers whether the loop may go on. */
static bool receive_head(struct crew_conn *conn, char **data, size_t *len) {
    const struct config_limits *limits = limits_of(conn);
    struct http_limits http = {.head_size = (size_t)limits->header_size,
                               .fields = limits->headers};
    struct crew_request *request = take_request(conn);
    if (!request) {
        conn_end(conn, CREW_CLOSE_MEMORY, CREW_ENOMEM);
        return false;
    }
    request->head.fields = request->fields;
    request->head.capacity = request->field_capacity;
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
        protocol_http_refuse(conn, -head_len, request->head.error);
        return false;
    }
    request->head_data = *data;
    request->head_len = (size_t)head_len;
    *data += head_len;
    *len -= (size_t)head_len;
    begin_request(conn, request);
    return true;
}

/* Answers that the peer does not take hold up its further requests; so do open files. What
 * waits for a handshake does not: it goes out behind that. */
static bool may_go_on(const struct crew_conn *conn) {
    bool has_room =
        conn->state == CONN_OPENING || conn->out.bytes <= limits_of(conn)->max_send_buffer / 2;
    return is_http(conn) && conn_is_reading(conn) && conn->out.file_bytes == 0 && has_room;
}

static void receive(struct crew_conn *conn, char **data, size_t *len) {
    while (may_go_on(conn)) {
        struct crew_request *request = conn->as.http.request;
        if (request && request->has_body && !request->is_body_over) {
            if (!protocol_http_body_receive(conn, request, data, len))
                break;
        } else if (request && request->owes_last_piece) {
            protocol_http_body_none(conn, request);
        } else if (request) {
            break; /* its answer comes first */
        } else if (*len == 0 || !receive_head(conn, data, len)) {
            break;
        }
    }
    if (is_http(conn) && conn->as.http.request)
        protocol_http_keep(conn, conn->as.http.request);
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
    return reply_whole(request, 200, "text/html;charset=utf-8", data, len);
}

static void goodbye(struct crew_conn *conn, int code, const char *text) {
    const struct crew_request *request = conn->as.http.request;
    bool is_refusal = conn->state == CONN_OPENING || code < 1000;
    if (is_refusal && (!request || request->reply == REPLY_NONE))
        write_error(conn, code < 1000 ? code : 503, text ? text : "going away");
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
    else if (deadline == DEADLINE_BODY)
        protocol_http_refuse(conn, 408, "the body did not come within body_timeout");
    else if (conn->bytes_in == 0 && conn->state == CONN_OPEN) /* a spare that browsers open */
        conn_finish(conn, CREW_CLOSE_TIMEOUT);
    else
        protocol_http_refuse(conn, 408, "no request within handshake_timeout");
}

const struct protocol protocol_http = {
    .name = "http",
    .has_handshake = true,
    .keeps_rest = true, /* the end of a body that was paused behind its last byte */
    .start = start,
    .done = done,
    .receive = receive,
    .send = send_answer,
    .goodbye = goodbye,
    .lingers = lingers,
    .drained = drained,
    .expired = expired,
};
