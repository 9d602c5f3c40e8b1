/* SPDX-License-Identifier: MIT
 *
 * See reply.h.
 */
#include "reply.h"

#include <string.h>

#include "conn.h"
#include "cookie_session.h"
#include "http_response.h"

#define STATUS_REDIRECT 302
#define STATUS_RESET    205 /* its length is told, and is 0 (RFC 9110 section 15.3.6) */

int reply_check(const struct crew_request *request, enum reply_state state) {
    if (!request)
        return CREW_ENOENT;
    if (request->conn->state > CONN_OPEN)
        return CREW_ECLOSED;
    return request->reply == state ? 0 : CREW_ESTATE;
}

int reply_check_whole(const struct crew_request *request) {
    int error = reply_check(request, REPLY_NONE);
    return !error && request->is_handshake ? CREW_ESTATE : error;
}

/* The write may have called on_buffer_full, where the app shall not find the request
 * unanswered: so it was REPLY_DONE before. */
int reply_ended(struct crew_request *request, int result, enum reply_state before) {
    if (result < 0)
        request->reply = before;
    else
        request->wire->ended(request);
    return result;
}

/* A session is stored with an answer that can be made, and only then. Its cookie is a field of
 * the head too. */
int reply_send_head(struct crew_request *request, const struct reply_head *head,
                    const void *body, size_t len) {
    if (request->cookies) {
        int error = request->wire->check_head(request, head);
        if (!error)
            error = cookie_session_commit(request);
        if (error)
            return error;
    }
    return request->wire->send_head(request, head, body, len);
}

static bool is_status(int status) {
    return status >= 200 && status <= 599;
}

int reply_whole(struct crew_request *request, int status, const char *type, const void *body,
                size_t len) {
    int error = reply_check_whole(request);
    if (error)
        return error;
    if (!is_status(status) || (!body && len > 0))
        return CREW_EINVAL;
    if (len > PTRDIFF_MAX) /* a negative number that became a length */
        return CREW_ETOOBIG;
    if (status == STATUS_RESET)
        len = 0;
    bool has_body = http_response_has_body(status);
    const struct reply_head head = {status, type, has_body ? REPLY_LENGTH : REPLY_NO_BODY, len};
    request->reply = REPLY_DONE;
    bool sends_body = has_body && !request->is_head_only;
    int result = reply_send_head(request, &head, sends_body ? body : NULL, len);
    return reply_ended(request, result, REPLY_NONE);
}

int reply_redirect(struct crew_request *request, int status, const char *location) {
    int error = reply_check_whole(request);
    if (error)
        return error;
    if (status == 0)
        status = STATUS_REDIRECT;
    if (status < 301 || status > 308)
        return CREW_EINVAL;
    size_t before = request->reply_fields ? request->reply_fields->len : 0;
    error = request_add_reply_field(request, "Location", location, strlen(location));
    if (!error)
        error = reply_whole(request, status, NULL, NULL, 0);
    if (error < 0 && request->reply_fields)
        request->reply_fields->len = before; /* another answer goes elsewhere */
    return error;
}

int reply_begin(struct crew_request *request, int status, const char *type) {
    int error = reply_check_whole(request);
    if (error)
        return error;
    if (!is_status(status) || !http_response_has_body(status) || status == STATUS_RESET)
        return CREW_EINVAL;
    const struct reply_head head = {status, type, REPLY_PIECES, 0};
    request->reply = REPLY_STREAMING;
    int result = reply_send_head(request, &head, NULL, 0);
    if (result < 0)
        request->reply = REPLY_NONE;
    return result;
}

int reply_write(struct crew_request *request, const void *data, size_t len) {
    int error = reply_check(request, REPLY_STREAMING);
    if (error)
        return error;
    if (!data && len > 0)
        return CREW_EINVAL;
    if (len > PTRDIFF_MAX)
        return CREW_ETOOBIG;
    if (len == 0 || request->is_head_only) /* an empty chunk would be the end */
        return CREW_SENT;
    return request->wire->send_piece(request, data, len);
}

int reply_end(struct crew_request *request) {
    int error = reply_check(request, REPLY_STREAMING);
    if (error)
        return error;
    request->reply = REPLY_DONE;
    error = request->wire->send_end(request);
    if (error == CREW_ENOMEM) /* without it the client waits for more of the body */
        request->wire->abandon(request, error);
    error = reply_ended(request, error, REPLY_STREAMING);
    return error < 0 ? error : CREW_SENT;
}
