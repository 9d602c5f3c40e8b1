/* SPDX-License-Identifier: MIT
 *
 * The crew_reply_… functions of crewman.h: what an app answers to a request. The framing fields
 * are ours, so that no answer can contradict itself.
 */
#include "api_reply.h"

#include <string.h>

#include "conn_out.h"
#include "cookie.h"
#include "cookie_session.h"
#include "http_response.h"
#include "request.h"
#include "service.h"
#include "session_http.h"
#include "sized.h"
#include "sse.h"
#include "worker.h"

#define HEAD_MAX        16384u
#define FIELDS_MAX      (HEAD_MAX - 1024u)
#define COOKIE_MAX      4096u
#define STATUS_REDIRECT 302
#define STATUS_RESET    205 /* its length is told, and is 0 (RFC 9110 section 15.3.6) */

static struct http_slice slice_of(const char *text) {
    return (struct http_slice){text ? text : "", text ? (uint32_t)strlen(text) : 0};
}

struct crew_request *api_reply_waiting(crew_conn *conn, enum reply_state state,
                                       int *out_error) {
    struct crew_request *request = session_http_request(conn);
    *out_error = conn->state > CONN_OPEN ? CREW_ECLOSED : CREW_ESTATE;
    if (!request || conn->state > CONN_OPEN || request->reply != state)
        return NULL;
    return request;
}

struct crew_request *api_reply_answerable(crew_conn *conn, int *out_error) {
    struct crew_request *request = api_reply_waiting(conn, REPLY_NONE, out_error);
    return request && !request->is_handshake ? request : NULL;
}

/* The write may have called on_buffer_full, where the app shall not find the request
 * unanswered: so it was REPLY_DONE before. */
int api_reply_ended(crew_conn *conn, struct crew_request *request, int result,
                    enum reply_state before) {
    if (result < 0)
        request->reply = before;
    else
        session_http_answered(conn);
    return result;
}

static bool is_ours(const char *name) {
    static const char *const ours[] = {"content-length",
                                       "transfer-encoding",
                                       "connection",
                                       "date",
                                       "upgrade",
                                       "sec-websocket-accept",
                                       "sec-websocket-extensions",
                                       "sec-websocket-protocol"};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (strcasecmp(name, ours[i]) == 0)
            return true;
    return false;
}

int api_reply_add_field(struct crew_request *request, const char *name, const char *value,
                        size_t len) {
    struct codec_buffer **fields = &request->reply_fields;
    size_t have = *fields ? (*fields)->len : 0;
    if (!http_is_token(name, strlen(name)) || !http_is_value(value, len))
        return CREW_EINVAL;
    if (have + strlen(name) + len + 4 > FIELDS_MAX)
        return CREW_ETOOBIG;
    if (!codec_buffer_reserve(fields, strlen(name) + len + 4))
        return CREW_ENOMEM;
    codec_buffer_append(fields, name, strlen(name), FIELDS_MAX);
    codec_buffer_append(fields, ": ", 2, FIELDS_MAX);
    codec_buffer_append(fields, value, len, FIELDS_MAX);
    codec_buffer_append(fields, "\r\n", 2, FIELDS_MAX);
    return 0;
}

int crew_reply_header(crew_conn *conn, const char *name, const char *value) {
    int error;
    struct crew_request *request = api_reply_waiting(conn, REPLY_NONE, &error);
    if (!request)
        return error;
    if (is_ours(name))
        return CREW_EINVAL;
    error = api_reply_add_field(request, name, value, strlen(value));
    if (!error && strcasecmp(name, "content-type") == 0)
        request->has_type = true;
    return error;
}

int crew_reply_cookie_sized(crew_conn *conn, const struct crew_cookie *given, size_t size) {
    int error;
    char text[COOKIE_MAX];
    struct crew_cookie cookie;
    sized_copy(&cookie, sizeof(cookie), given, size);
    struct crew_request *request = api_reply_waiting(conn, REPLY_NONE, &error);
    if (!request)
        return error;
    if ((unsigned)cookie.same_site > CREW_SAME_SITE_NONE)
        return CREW_EINVAL;
    struct cookie encoded = {.name = slice_of(cookie.name),
                             .value = slice_of(cookie.value),
                             .path = slice_of(cookie.path),
                             .domain = slice_of(cookie.domain),
                             .has_max_age = cookie.max_age != 0,
                             .max_age = cookie.max_age,
                             .is_secure = cookie.is_secure != 0,
                             .is_http_only = cookie.is_http_only != 0,
                             .same_site = (enum cookie_same_site)cookie.same_site};
    long len = cookie_encode(&encoded, text, sizeof(text));
    return len < 0 ? CREW_EINVAL
                   : api_reply_add_field(request, "Set-Cookie", text, (size_t)len);
}

/* Subprotocols differ by case, unlike other tokens: a client that reads back what it has not
 * offered ends the connection (RFC 6455 section 4.1). */
static bool offers_protocol(const struct http_head *head, const char *name) {
    size_t from = 0, len = strlen(name);
    const struct http_field *field;
    while ((field = http_head_next(head, "sec-websocket-protocol", &from)) != NULL) {
        struct http_slice list = field->value, offer;
        while (http_list_next(&list, &offer))
            if (offer.len == len && memcmp(offer.data, name, len) == 0)
                return true;
    }
    return false;
}

int crew_handshake_protocol(crew_conn *conn, const char *name) {
    int error;
    struct crew_request *request = api_reply_waiting(conn, REPLY_NONE, &error);
    if (!request)
        return error;
    if (!http_is_token(name, strlen(name)) || !offers_protocol(&request->head, name))
        return CREW_ENOENT;
    request->subprotocol = arena_copy(&request->arena, name, strlen(name));
    return request->subprotocol ? 0 : CREW_ENOMEM;
}

/* How the peer learns where the body ends. */
enum framing { FRAMING_LENGTH, FRAMING_STREAM, FRAMING_NONE };

static bool ends_connection(const struct crew_request *request) {
    return request->closes_after || !request->head.keep_alive || !request->is_body_over ||
           service_of(request->conn)->worker->lifecycle.stage >= STAGE_DRAINING;
}

static void add_connection(struct http_response *response, struct crew_request *request) {
    if (ends_connection(request)) {
        request->closes_after = true;
        http_response_add_own(response, "Connection", "close");
    } else if (request->head.minor_version == 0) {
        http_response_add_own(response, "Connection", "keep-alive");
    }
}

static long make_head(struct crew_request *request, int status, const char *type,
                      enum framing framing, uint64_t len, char head[HEAD_MAX]) {
    struct http_response response;
    struct codec_buffer *fields = request->reply_fields;
    http_response_begin(&response, head, HEAD_MAX, status, NULL);
    http_response_add_own(&response, "Date",
                          session_http_date(service_of(request->conn)->worker));
    if (type && !request->has_type)
        http_response_add_text(&response, "Content-Type", type);
    if (framing == FRAMING_LENGTH)
        http_response_add_number(&response, "Content-Length", len);
    else if (framing == FRAMING_STREAM && request->head.minor_version >= 1)
        http_response_add_own(&response, "Transfer-Encoding", "chunked");
    else if (framing == FRAMING_STREAM)
        request->closes_after = true;
    add_connection(&response, request);
    if (fields)
        http_response_add_lines(&response, fields->data, fields->len);
    long head_len = http_response_finish(&response);
    return head_len >= 0 ? head_len : head_len == -1 ? CREW_EINVAL : CREW_ETOOBIG;
}

/* A session is stored with an answer that can be made, and only then. Its cookie is a field of
 * the head too. */
static long commit_head(struct crew_request *request, int status, const char *type,
                        enum framing framing, uint64_t len, char head[HEAD_MAX]) {
    if (request->cookies) {
        long head_len = make_head(request, status, type, framing, len, head);
        int error = head_len < 0 ? (int)head_len : cookie_session_commit(request);
        if (error)
            return error;
    }
    return make_head(request, status, type, framing, len, head);
}

static bool is_status(int status) {
    return status >= 200 && status <= 599;
}

int crew_reply(crew_conn *conn, int status, const char *type, const void *body, size_t len) {
    int error;
    char head[HEAD_MAX];
    struct crew_request *request = api_reply_answerable(conn, &error);
    if (!request)
        return error;
    if (!is_status(status))
        return CREW_EINVAL;
    if (len > PTRDIFF_MAX) /* a negative number that became a length */
        return CREW_ETOOBIG;
    if (status == STATUS_RESET)
        len = 0;
    enum framing framing = http_response_has_body(status) ? FRAMING_LENGTH : FRAMING_NONE;
    long head_len = commit_head(request, status, type, framing, len, head);
    if (head_len < 0)
        return (int)head_len;
    bool has_body = len > 0 && framing == FRAMING_LENGTH && !request->is_head_only;
    struct iovec parts[] = {{head, (size_t)head_len}, {(void *)(uintptr_t)body, len}};
    request->reply = REPLY_DONE;
    int result = conn_write_answer(conn, parts, has_body ? 2 : 1);
    return api_reply_ended(conn, request, result, REPLY_NONE);
}

int api_reply_send_head(struct crew_conn *conn, struct crew_request *request, int status,
                        const char *type, uint64_t len) {
    char head[HEAD_MAX];
    enum framing framing = http_response_has_body(status) ? FRAMING_LENGTH : FRAMING_NONE;
    long head_len = commit_head(request, status, type, framing, len, head);
    if (head_len < 0)
        return (int)head_len;
    const struct iovec part = {head, (size_t)head_len};
    return conn_write_answer(conn, &part, 1);
}

int crew_reply_redirect(crew_conn *conn, int status, const char *location) {
    if (status == 0)
        status = STATUS_REDIRECT;
    if (status < 301 || status > 308)
        return CREW_EINVAL;
    int error;
    struct crew_request *request = api_reply_answerable(conn, &error);
    if (!request)
        return error;
    size_t before = request->reply_fields ? request->reply_fields->len : 0;
    error = crew_reply_header(conn, "Location", location);
    if (!error)
        error = crew_reply(conn, status, NULL, "", 0);
    if (error < 0 && session_http_request(conn) == request && request->reply_fields)
        request->reply_fields->len = before; /* another answer goes elsewhere */
    return error;
}

int crew_reply_begin(crew_conn *conn, int status, const char *type) {
    int error;
    char head[HEAD_MAX];
    struct crew_request *request = api_reply_answerable(conn, &error);
    if (!request)
        return error;
    if (!is_status(status) || !http_response_has_body(status) || status == STATUS_RESET)
        return CREW_EINVAL;
    long head_len = commit_head(request, status, type, FRAMING_STREAM, 0, head);
    if (head_len < 0)
        return (int)head_len;
    struct iovec part = {head, (size_t)head_len};
    request->is_chunked = request->head.minor_version >= 1;
    request->reply = REPLY_STREAMING;
    int result = conn_write_answer(conn, &part, 1);
    if (result < 0)
        request->reply = REPLY_NONE;
    return result;
}

int crew_reply_write(crew_conn *conn, const void *data, size_t len) {
    int error;
    char size[HTTP_CHUNK_HEADER_MAX];
    struct crew_request *request = api_reply_waiting(conn, REPLY_STREAMING, &error);
    if (!request)
        return error;
    if (len > PTRDIFF_MAX)
        return CREW_ETOOBIG;
    if (len == 0 || request->is_head_only) /* an empty chunk would be the end */
        return CREW_SENT;
    if (!request->is_chunked) {
        struct iovec part = {(void *)(uintptr_t)data, len};
        return conn_write(conn, &part, 1);
    }
    struct iovec parts[] = {{size, http_response_chunk(size, len)},
                            {(void *)(uintptr_t)data, len},
                            {(void *)(uintptr_t) "\r\n", 2}};
    return conn_write(conn, parts, 3);
}

int crew_reply_end(crew_conn *conn) {
    static const char zero[] = "0\r\n\r\n";
    const struct iovec last_chunk = {(void *)(uintptr_t)zero, sizeof(zero) - 1};
    int error;
    struct crew_request *request = api_reply_waiting(conn, REPLY_STREAMING, &error);
    if (!request)
        return error;
    bool has_chunk = request->is_chunked && !request->is_head_only;
    request->reply = REPLY_DONE;
    error = has_chunk ? conn_write_answer(conn, &last_chunk, 1) : CREW_SENT;
    error = api_reply_ended(conn, request, error, REPLY_STREAMING);
    return error < 0 ? error : CREW_SENT;
}

int crew_reply_event_sized(crew_conn *conn, const struct crew_event *given, size_t size) {
    struct codec_buffer *bytes = NULL;
    struct crew_event event;
    sized_copy(&event, sizeof(event), given, size);
    struct sse_event encoded = {.event = event.event,
                                .id = event.id,
                                .data = event.data,
                                .len = event.data ? strlen(event.data) : 0,
                                .comment = event.comment,
                                .retry_ms = event.retry_ms};
    int error = sse_encode(&encoded, &bytes);
    if (error)
        return error == SSE_NO_MEMORY ? CREW_ENOMEM : CREW_EINVAL;
    int result = crew_reply_write(conn, bytes ? bytes->data : "", bytes ? bytes->len : 0);
    codec_buffer_free(&bytes);
    return result;
}
