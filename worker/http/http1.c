/* SPDX-License-Identifier: MIT
 *
 * See http1.h.
 */
#include "http1.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "conn_file.h"
#include "conn_out.h"
#include "conn_state.h"
#include "http_date.h"
#include "http_response.h"
#include "outstanding.h"
#include "request.h"
#include "service.h"
#include "worker.h"

#define ERROR_MAX 1024u

/* The Date of now. */
static const char *date_of(struct worker *worker) {
    struct http_shared *shared = &worker->http;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if ((uint64_t)now.tv_sec != shared->date_s) {
        shared->date_s = (uint64_t)now.tv_sec;
        http_date_format(now.tv_sec, shared->date);
        shared->date[HTTP_DATE_LEN] = '\0';
    }
    return shared->date;
}

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

static void add_fields(struct http_response *response, const struct crew_request *request) {
    const char *name = NULL, *value;
    while ((name = request_next_reply_field(request, name, &value)) != NULL)
        http_response_add_own(response, name, value);
}

/* Where the body ends, section 6.3: a client of HTTP/1.0 sees the end of one in pieces by that
 * of the connection. */
static void add_framing(struct http_response *response, struct crew_request *request,
                        const struct reply_head *head) {
    if (head->framing == REPLY_LENGTH)
        http_response_add_number(response, "Content-Length", head->len);
    else if (head->framing == REPLY_PIECES && request->head.minor_version >= 1)
        http_response_add_own(response, "Transfer-Encoding", "chunked");
    else if (head->framing == REPLY_PIECES)
        request->closes_after = true;
}

static long make_head(struct crew_request *request, const struct reply_head *head,
                      char out[REQUEST_REPLY_HEAD_MAX]) {
    struct http_response response;
    http_response_begin(&response, out, REQUEST_REPLY_HEAD_MAX, head->status, NULL);
    http_response_add_own(&response, "Date", date_of(service_of(request->conn)->worker));
    if (head->type && !request->has_type)
        http_response_add_text(&response, "Content-Type", head->type);
    add_framing(&response, request, head);
    add_connection(&response, request);
    if (request->reply_fields)
        add_fields(&response, request);
    long len = http_response_finish(&response);
    return len >= 0 ? len : len == -1 ? CREW_EINVAL : CREW_ETOOBIG;
}

int http1_check_head(struct crew_request *request, const struct reply_head *head) {
    char bytes[REQUEST_REPLY_HEAD_MAX];
    long len = make_head(request, head, bytes);
    return len < 0 ? (int)len : 0;
}

/* Nobody asks the client of an answer in pieces whether it is there, and the kernel takes a few
 * bytes for one that has vanished. Without memory the next piece is watched. */
static void watch_stream(const struct crew_request *request) {
    (void)outstanding_watch_stream(request->conn);
}

int http1_send_head(struct crew_request *request, const struct reply_head *head,
                    const void *body, size_t len) {
    char bytes[REQUEST_REPLY_HEAD_MAX];
    long head_len = make_head(request, head, bytes);
    if (head_len < 0)
        return (int)head_len;
    request->is_chunked = head->framing == REPLY_PIECES && request->head.minor_version >= 1;
    if (head->framing == REPLY_PIECES)
        watch_stream(request);
    const struct iovec parts[] = {{bytes, (size_t)head_len}, {(void *)(uintptr_t)body, len}};
    return conn_write_answer(request->conn, parts, body && len > 0 ? 2 : 1);
}

int http1_send_piece(struct crew_request *request, const void *data, size_t len) {
    char size[HTTP_CHUNK_HEADER_MAX];
    watch_stream(request);
    if (!request->is_chunked) {
        const struct iovec part = {(void *)(uintptr_t)data, len};
        return conn_write(request->conn, &part, 1);
    }
    const struct iovec parts[] = {{size, http_response_chunk(size, len)},
                                  {(void *)(uintptr_t)data, len},
                                  {(void *)(uintptr_t) "\r\n", 2}};
    return conn_write(request->conn, parts, 3);
}

int http1_send_end(struct crew_request *request) {
    static const char zero[] = "0\r\n\r\n";
    bool has_chunk = request->is_chunked && !request->is_head_only;
    return has_chunk ? http1_send_bytes(request, zero, sizeof(zero) - 1) : CREW_SENT;
}

int http1_send_bytes(struct crew_request *request, const void *data, size_t len) {
    const struct iovec part = {(void *)(uintptr_t)data, len};
    return conn_write_answer(request->conn, &part, 1);
}

int http1_send_file(struct crew_request *request, struct source *source, uint64_t offset,
                    size_t len) {
    return conn_write_file(request->conn, source, offset, len);
}

int http1_flush(struct crew_request *request) {
    return conn_flush_files(request->conn);
}

void http1_abandon(struct crew_request *request, int error) {
    conn_end(request->conn, CREW_CLOSE_MEMORY, error);
}

void http1_begin_plain(struct crew_conn *conn) {
    if (conn->state != CONN_OPENING)
        return;
    sendq_done(&conn->out);
    conn_set_state(conn, CONN_OPEN);
}

void http1_send_continue(struct crew_conn *conn) {
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    conn_write_control(conn, text, sizeof(text) - 1);
}

static const char *fields_for(int status) {
    if (status == 405)
        return "Allow: GET\r\nConnection: close\r\n";
    if (status == 426)
        return "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
               "Connection: close, Upgrade\r\n";
    if (status == 429) /* a rate is one of a second */
        return "Retry-After: 1\r\nConnection: close\r\n";
    if (status == 503)
        return "Retry-After: 5\r\nConnection: close\r\n";
    return "Connection: close\r\n";
}

/* RFC 9110 sections 7.8, 10.2.1, 10.2.3, 15.5.22; RFC 6585 section 4; RFC 6455 section 4.4 for
 * the fields. */
void http1_send_error(struct crew_conn *conn, int status, const char *text, bool has_body) {
    char response[ERROR_MAX];
    int len = snprintf(response, sizeof(response),
                       "HTTP/1.1 %d %s\r\nDate: %s\r\n%sContent-Type: text/plain\r\n"
                       "Content-Length: %zu\r\n\r\n%s%s",
                       status, http_response_phrase(status), date_of(service_of(conn)->worker),
                       fields_for(status), strlen(text) + 1, has_body ? text : "",
                       has_body ? "\n" : "");
    if (len > 0 && (size_t)len < sizeof(response))
        conn_write_control(conn, response, (size_t)len);
}

long http1_make_upgrade(const struct crew_request *request, const char *accept,
                        const char *extensions, size_t extensions_len, char *out, size_t size) {
    struct http_response response;
    http_response_begin(&response, out, size, 101, NULL);
    http_response_add_own(&response, "Upgrade", "websocket");
    http_response_add_own(&response, "Connection", "Upgrade");
    http_response_add_own(&response, "Sec-WebSocket-Accept", accept);
    if (request->subprotocol)
        http_response_add_text(&response, "Sec-WebSocket-Protocol", request->subprotocol);
    if (extensions_len > 0)
        http_response_add(&response, "Sec-WebSocket-Extensions", extensions, extensions_len);
    add_fields(&response, request);
    return http_response_finish(&response);
}
