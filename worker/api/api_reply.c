/* SPDX-License-Identifier: MIT
 *
 * The crew_reply_… functions of crewman.h: what an app answers to a request. The framing fields
 * are ours, so that no answer can contradict itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "cookie.h"
#include "failed_answer.h"
#include "mime.h"
#include "reply.h"
#include "reply_file.h"
#include "sized.h"
#include "sse.h"

#define COOKIE_MAX 4096u

static struct http_slice slice_of(const char *text) {
    return (struct http_slice){text ? text : "", text ? (uint32_t)strlen(text) : 0};
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

int crew_reply_header(crew_request *request, const char *name, const char *value) {
    int error = reply_check(request, REPLY_NONE);
    if (error)
        return error;
    if (is_ours(name))
        return CREW_EINVAL;
    error = request_add_reply_field(request, name, value, strlen(value));
    if (!error && strcasecmp(name, "content-type") == 0)
        request->has_type = true;
    return error;
}

int crew_reply_cookie_sized(crew_request *request, const struct crew_cookie *given,
                            size_t size) {
    char text[COOKIE_MAX];
    struct crew_cookie cookie;
    sized_copy(&cookie, sizeof(cookie), given, size);
    int error = reply_check(request, REPLY_NONE);
    if (error)
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
                   : request_add_reply_field(request, "Set-Cookie", text, (size_t)len);
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

int crew_handshake_protocol(crew_request *request, const char *name) {
    int error = reply_check(request, REPLY_NONE);
    if (error)
        return error;
    if (!http_is_token(name, strlen(name)) || !offers_protocol(&request->head, name))
        return CREW_ENOENT;
    request->subprotocol = arena_copy(&request->arena, name, strlen(name));
    return request->subprotocol ? 0 : CREW_ENOMEM;
}

int crew_reply_close(crew_request *request) {
    int error = reply_check_whole(request);
    if (!error)
        request->closes_after = true;
    return error;
}

int crew_reply(crew_request *request, int status, const char *type, const void *body,
               size_t len) {
    return failed_answer_note(request, reply_whole(request, status, type, body, len));
}

int crew_reply_redirect(crew_request *request, int status, const char *location) {
    return failed_answer_note(request, reply_redirect(request, status, location));
}

int crew_reply_begin(crew_request *request, int status, const char *type) {
    return failed_answer_note(request, reply_begin(request, status, type));
}

int crew_reply_write(crew_request *request, const void *data, size_t len) {
    return reply_write(request, data, len);
}

int crew_reply_end(crew_request *request) {
    return reply_end(request);
}

static int answer_file(struct crew_request *request, const char *path) {
    struct reply_file file;
    int error = reply_check_whole(request);
    if (error)
        return error;
    /* Without O_NONBLOCK a FIFO would stop the process here. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? CREW_ENOENT : -errno;
    error = reply_file_open(fd, &file);
    if (error)
        return error;
    file.type = mime_type(path);
    int result = reply_file_send(request, &file);
    reply_file_close(&file);
    return result;
}

int crew_reply_file(crew_request *request, const char *path) {
    return failed_answer_note(request, answer_file(request, path));
}

int crew_reply_sse_sized(crew_request *request, const struct crew_sse *given, size_t size) {
    struct codec_buffer *bytes = NULL;
    struct crew_sse event;
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
    int result = crew_reply_write(request, bytes ? bytes->data : "", bytes ? bytes->len : 0);
    codec_buffer_free(&bytes);
    return result;
}
