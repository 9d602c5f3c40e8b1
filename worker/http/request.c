/* SPDX-License-Identifier: MIT
 *
 * See request.h.
 */
#include "request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cookie_session.h"
#include "upload.h"

struct crew_request *request_new(size_t field_capacity) {
    struct crew_request *request = calloc(1, sizeof(*request));
    struct http_field *fields = calloc(field_capacity, sizeof(*fields));
    if (!request || !fields) {
        free(request);
        free(fields);
        return NULL;
    }
    request->fields = fields;
    request->field_capacity = field_capacity;
    return request;
}

static void release(struct crew_request *request) {
    arena_done(&request->arena);
    free(request->kept);
    codec_buffer_free(&request->gathered);
    codec_buffer_free(&request->reply_fields);
    if (request->has_body)
        http_body_done(&request->body);
    upload_free(request->upload);
    cookie_session_free(request->cookies);
}

void request_free(struct crew_request *request) {
    if (!request)
        return;
    release(request);
    free(request->fields);
    free(request);
}

void request_reset(struct crew_request *request) {
    struct http_field *fields = request->fields;
    size_t capacity = request->field_capacity;
    release(request);
    memset(request, 0, sizeof(*request));
    request->fields = fields;
    request->field_capacity = capacity;
}

static void rebase(struct http_slice *slice, const char *from, size_t len, const char *to) {
    if (slice->data >= from && slice->data <= from + len)
        slice->data = to + (slice->data - from);
}

static void rebase_all(struct crew_request *request, const char *to) {
    const char *from = request->head_data;
    size_t len = request->head_len;
    rebase(&request->head.method, from, len, to);
    rebase(&request->head.target, from, len, to);
    rebase(&request->head.host, from, len, to);
    rebase(&request->target.path, from, len, to);
    rebase(&request->target.query, from, len, to);
    rebase(&request->target.host, from, len, to);
    for (size_t i = 0; i < request->head.count; i++) {
        rebase(&request->fields[i].name, from, len, to);
        rebase(&request->fields[i].value, from, len, to);
    }
}

int request_keep_body(struct crew_request *request) {
    if (request->body_len > 0 && !request->gathered && !request->is_body_kept) {
        const char *copy = arena_copy(&request->arena, request->body_data, request->body_len);
        if (!copy)
            return CREW_ENOMEM;
        request->body_data = copy;
        request->is_body_kept = true;
    }
    return 0;
}

int request_keep(struct crew_request *request) {
    if (!request->kept) {
        char *copy = malloc(request->head_len + 1);
        if (!copy)
            return CREW_ENOMEM;
        memcpy(copy, request->head_data, request->head_len);
        copy[request->head_len] = '\0';
        rebase_all(request, copy);
        request->kept = copy;
        request->head_data = copy;
    }
    return request_keep_body(request);
}

bool request_is_kept(const struct crew_request *request) {
    bool has_body = request->body_len == 0 || request->gathered || request->is_body_kept;
    return request->kept && has_body;
}

bool request_has_form(const struct crew_request *request, struct http_slice *out_form) {
    const struct http_field *type = http_head_find(&request->head, "content-type");
    static const char wanted[] = "application/x-www-form-urlencoded";
    if (!type || type->value.len < sizeof(wanted) - 1 || request->body_len > UINT32_MAX ||
        strncasecmp(type->value.data, wanted, sizeof(wanted) - 1) != 0)
        return false;
    *out_form = (struct http_slice){request->body_data, (uint32_t)request->body_len};
    return true;
}
