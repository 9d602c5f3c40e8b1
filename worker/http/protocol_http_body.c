/* SPDX-License-Identifier: MIT
 *
 * See protocol_http_body.h.
 */
#include "protocol_http_body.h"

#include "app_handler.h"
#include "conn_state.h"
#include "http1.h"
#include "protocol_http.h"
#include "request.h"
#include "service.h"
#include "upload.h"

static const struct config_limits *limits_of(const struct crew_conn *conn) {
    return &service_of(conn)->config->limits;
}

static void deliver_piece(struct crew_conn *conn, struct crew_request *request,
                          const char *data, size_t len, bool is_last) {
    if (request->reply != REPLY_DONE)
        app_handler_body(conn, request, data, len, is_last);
}

/* A body that is there in one piece stays where it lies; the pieces of others are gathered. */
static bool take_piece(struct crew_conn *conn, struct crew_request *request, char *data,
                       size_t len) {
    bool is_whole =
        request->head.content_length >= 0 && len == (uint64_t)request->head.content_length;
    if (is_whole) {
        request->body_data = data;
        request->body_len = len;
        return true;
    }
    if (!codec_buffer_append(&request->gathered, data, len,
                             (size_t)limits_of(conn)->max_body)) {
        conn_end(conn, CREW_CLOSE_MEMORY, CREW_ENOMEM);
        return false;
    }
    request->body_data = request->gathered->data;
    request->body_len = request->gathered->len;
    return true;
}

/* A form with parts is taken apart as it comes. */
static bool take_upload(struct crew_conn *conn, struct crew_request *request, const char *data,
                        size_t len) {
    struct upload_fault fault;
    if (upload_take(request->upload, data, len, &fault) == 0)
        return true;
    protocol_http_refuse_for(conn, fault.status, fault.error, fault.text);
    return false;
}

static void end_body(struct crew_conn *conn, struct crew_request *request) {
    struct upload_fault fault;
    request->is_body_over = true;
    conn_await(conn, DEADLINE_NONE);
    if (request->upload && upload_finish(request->upload, &fault) != 0)
        protocol_http_refuse_for(conn, fault.status, fault.error, fault.text);
    else if (request->is_streaming_body)
        deliver_piece(conn, request, "", 0, true);
    else
        protocol_http_dispatch(conn, request);
}

void protocol_http_body_none(struct crew_conn *conn, struct crew_request *request) {
    request->owes_last_piece = false;
    deliver_piece(conn, request, "", 0, true);
}

static bool take_trailer(struct crew_conn *conn, struct crew_request *request,
                         const struct http_field *trailer) {
    int status = request_add_trailer(request, trailer);
    if (status)
        protocol_http_refuse(conn, status,
                             status == 431 ? "too many trailers" : "out of memory");
    return status == 0;
}

static uint64_t body_bound(const struct crew_conn *conn, const struct crew_request *request) {
    return request->upload ? upload_bound(service_of(conn)->config) : limits_of(conn)->max_body;
}

bool protocol_http_body_receive(struct crew_conn *conn, struct crew_request *request,
                                char **data, size_t *len) {
    struct http_body_limits limits = {.max_body = body_bound(conn, request),
                                      .overhead = (size_t)limits_of(conn)->header_size};
    struct http_body_event event;
    while (protocol_http_is_current(conn, request) && !request->is_body_over &&
           conn_is_reading(conn)) {
        switch (http_body_next(&request->body, &limits, data, len, &event)) {
        case HTTP_BODY_NEED_MORE:
            if (!request->is_dispatched || request->reply != REPLY_DONE)
                conn_await(conn, DEADLINE_BODY);
            return false;
        case HTTP_BODY_DATA:
            if (request->is_streaming_body)
                deliver_piece(conn, request, event.data, event.len, false);
            else if (request->upload ? !take_upload(conn, request, event.data, event.len)
                                     : !take_piece(conn, request, event.data, event.len))
                return false;
            break;
        case HTTP_BODY_TRAILER:
            if (!take_trailer(conn, request, &event.trailer))
                return false;
            break;
        case HTTP_BODY_END:
            end_body(conn, request);
            break;
        case HTTP_BODY_ERROR:
            protocol_http_refuse(conn, event.status, event.text);
            return false;
        default:
            break;
        }
    }
    return true;
}

/* Whether the body can be taken. */
static bool begin_upload(struct crew_conn *conn, struct crew_request *request) {
    struct upload_fault fault;
    const struct service *service = service_of(conn);
    if (service->app.on_body || !service->app.on_request)
        return true;
    if (upload_begin(&request->head, service->config, &request->upload, &fault) >= 0)
        return true;
    protocol_http_refuse_for(conn, fault.status, fault.error, fault.text);
    return false;
}

void protocol_http_body_begin(struct crew_conn *conn, struct crew_request *request) {
    if (!begin_upload(conn, request))
        return;
    if (request->head.content_length >= 0 &&
        (uint64_t)request->head.content_length > body_bound(conn, request)) {
        protocol_http_refuse(conn, 413, "body too large"); /* instead of 100, not after it */
        return;
    }
    http_body_init(&request->body, &request->head);
    request->has_body = true;
    request->is_streaming_body = service_of(conn)->app.on_body != NULL;
    if (request->is_streaming_body) {
        protocol_http_dispatch(conn, request);
        protocol_http_keep(conn, request);
        /* Now, and not only once the answer leaves room to read on. */
        if (protocol_http_is_current(conn, request))
            conn_await(conn, DEADLINE_BODY);
    }
    if (protocol_http_is_current(conn, request) && request->head.expects_continue &&
        request->reply == REPLY_NONE)
        http1_send_continue(conn);
}
