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

#define FIELDS_MAX (REQUEST_REPLY_HEAD_MAX - 1024u)

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

/* Most requests own next to nothing: seven calls for each of them would be felt. */
static void release(struct crew_request *request) {
    if (request->arena.blocks)
        arena_done(&request->arena);
    if (request->kept)
        free(request->kept);
    if (request->gathered)
        codec_buffer_free(&request->gathered);
    if (request->reply_fields)
        codec_buffer_free(&request->reply_fields);
    if (request->has_body)
        http_body_done(&request->body);
    if (request->upload)
        upload_free(request->upload);
    if (request->cookies)
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
    memset(request, 0, offsetof(struct crew_request, body));
    request->fields = fields;
    request->field_capacity = capacity;
}

size_t request_held(const struct crew_request *request) {
    size_t held = sizeof(*request) + request->field_capacity * sizeof(*request->fields);
    held += request->arena.held + (request->kept ? request->head_len + 1 : 0);
    held += codec_buffer_held(request->gathered) + codec_buffer_held(request->reply_fields);
    if (request->has_body)
        held += codec_buffer_held(request->body.line);
    if (request->upload)
        held += upload_held(request->upload);
    return held;
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

int request_add_reply_field(struct crew_request *request, const char *name, const char *value,
                            size_t len) {
    struct codec_buffer **fields = &request->reply_fields;
    size_t have = *fields ? (*fields)->len : 0, name_len = strlen(name);
    if (!http_is_token(name, name_len) || !http_is_value(value, len))
        return CREW_EINVAL;
    if (have + name_len + len + 2 > FIELDS_MAX)
        return CREW_ETOOBIG;
    if (!codec_buffer_reserve(fields, name_len + len + 2))
        return CREW_ENOMEM;
    codec_buffer_append(fields, name, name_len + 1, FIELDS_MAX);
    codec_buffer_append(fields, value, len, FIELDS_MAX);
    codec_buffer_append(fields, "", 1, FIELDS_MAX);
    return 0;
}

static const char *behind(const char *text) {
    return text + strlen(text) + 1;
}

const char *request_next_reply_field(const struct crew_request *request, const char *before,
                                     const char **out_value) {
    const struct codec_buffer *fields = request->reply_fields;
    if (!fields)
        return NULL;
    const char *name = before ? behind(behind(before)) : fields->data;
    if (name == fields->data + fields->len)
        return NULL;
    *out_value = behind(name);
    return name;
}

static struct http_head *trailers_of(struct crew_request *request) {
    size_t size = request->field_capacity * sizeof(struct http_field);
    struct http_head *trailers = request->trailers;
    if (trailers)
        return trailers;
    trailers = arena_take(&request->arena, sizeof(*trailers));
    struct http_field *fields = trailers ? arena_take(&request->arena, size) : NULL;
    if (!fields)
        return NULL;
    *trailers = (struct http_head){.fields = fields, .capacity = request->field_capacity};
    request->trailers = trailers;
    return trailers;
}

static bool copy_slice(struct arena *arena, struct http_slice from, struct http_slice *out) {
    const char *copy = arena_copy(arena, from.data, from.len);
    *out = (struct http_slice){copy, from.len};
    return copy != NULL;
}

int request_add_trailer(struct crew_request *request, const struct http_field *trailer) {
    struct http_head *trailers = trailers_of(request);
    if (!trailers)
        return 500;
    if (trailers->count == trailers->capacity)
        return 431;
    struct http_field *field = &trailers->fields[trailers->count];
    if (!copy_slice(&request->arena, trailer->name, &field->name) ||
        !copy_slice(&request->arena, trailer->value, &field->value))
        return 500;
    trailers->count++;
    return 0;
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
