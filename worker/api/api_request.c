/* SPDX-License-Identifier: MIT
 *
 * The crew_request_… functions of crewman.h. What is asked for is decoded then, into the
 * request's arena; what was asked for once is not decoded again.
 */
#include <stdlib.h>
#include <string.h>

#include "cookie.h"
#include "form.h"
#include "request.h"
#include "service.h"
#include "upload.h"

/* The slice as text; "" without memory, which a client's own request cannot bring about alone.
 */
static const char *text_of(struct crew_request *request, struct http_slice slice) {
    const char *text = slice.len > 0 ? arena_text(&request->arena, slice.data, slice.len) : "";
    return text ? text : "";
}

const char *crew_request_method(crew_request *request) {
    return request ? text_of(request, request->head.method) : "";
}

const char *crew_request_target(crew_request *request) {
    return request ? text_of(request, request->head.target) : "";
}

const char *crew_request_host(crew_request *request) {
    return request ? text_of(request, request->target.host) : "";
}

const char *crew_request_query_string(crew_request *request) {
    return request ? text_of(request, request->target.query) : "";
}

int crew_request_minor_version(const crew_request *request) {
    return request ? request->head.minor_version : 0;
}

const char *crew_request_path(crew_request *request) {
    if (!request)
        return "";
    if (request->path)
        return request->path;
    struct http_slice slice = request->target.path;
    char *path = arena_copy(&request->arena, slice.data, slice.len);
    if (!path)
        return "";
    long len = http_target_decode(slice, HTTP_DECODE_PATH, path);
    path[len > 0 ? len : 0] = '\0';
    request->path = path;
    return path;
}

/* Several lines of one field become one list (RFC 9110 section 5.3). NULL without memory. */
static const char *join(struct crew_request *request, const struct http_head *head,
                        const char *name, size_t len) {
    char *joined = malloc(len);
    const struct http_field *field;
    size_t from = 0, at = 0;
    const char *gap = strcasecmp(name, "cookie") == 0 ? "; " : ", ";
    if (!joined)
        return NULL;
    while ((field = http_head_next(head, name, &from)) != NULL) {
        if (at > 0) {
            memcpy(joined + at, gap, 2);
            at += 2;
        }
        memcpy(joined + at, field->value.data, field->value.len);
        at += field->value.len;
    }
    const char *text = arena_text(&request->arena, joined, at);
    free(joined);
    return text;
}

static const char *value_of(struct crew_request *request, const struct http_head *head,
                            const char *name) {
    const struct http_field *field, *first = NULL;
    size_t from = 0, len = 0, count = 0;
    while ((field = http_head_next(head, name, &from)) != NULL) {
        first = first ? first : field;
        len += field->value.len + 2;
        count++;
    }
    if (count == 0)
        return NULL;
    return count == 1 ? text_of(request, first->value) : join(request, head, name, len);
}

static int each_line(struct crew_request *request, const struct http_head *head,
                     int (*visit)(const char *name, const char *value, void *arg), void *arg) {
    int result = 0;
    for (size_t i = 0; i < head->count && result == 0; i++) {
        const struct http_field *field = &head->fields[i];
        result = visit(text_of(request, field->name), text_of(request, field->value), arg);
    }
    return result;
}

const char *crew_request_header(crew_request *request, const char *name) {
    return request ? value_of(request, &request->head, name) : NULL;
}

int crew_request_each_header(crew_request *request,
                             int (*visit)(const char *name, const char *value, void *arg),
                             void *arg) {
    return request ? each_line(request, &request->head, visit, arg) : CREW_ENOENT;
}

const char *crew_request_trailer(crew_request *request, const char *name) {
    return request && request->trailers ? value_of(request, request->trailers, name) : NULL;
}

int crew_request_each_trailer(crew_request *request,
                              int (*visit)(const char *name, const char *value, void *arg),
                              void *arg) {
    if (!request)
        return CREW_ENOENT;
    return request->trailers ? each_line(request, request->trailers, visit, arg) : 0;
}

static char *decoded(struct crew_request *request, struct http_slice slice, size_t *out_len) {
    char *text = arena_copy(&request->arena, slice.data, slice.len);
    long len = text ? http_target_decode(slice, HTTP_DECODE_FORM, text) : -1;
    if (len < 0)
        return NULL;
    text[len] = '\0';
    *out_len = (size_t)len;
    return text;
}

/* A pair with a malformed name or value is passed over. */
static struct form_pair *decode_pairs(struct crew_request *request, struct http_slice rest) {
    struct form_pair *first = NULL, **end = &first;
    struct http_slice name, value;
    while (form_next(&rest, &name, &value)) {
        size_t name_len, value_len;
        struct form_pair *pair = arena_take(&request->arena, sizeof(*pair));
        const char *name_text = decoded(request, name, &name_len);
        const char *value_text = decoded(request, value, &value_len);
        if (!pair || !name_text || !value_text)
            continue;
        *pair = (struct form_pair){name_text, value_text, value_len, NULL};
        *end = pair;
        end = &pair->next;
    }
    return first;
}

static const char *find_pair(const struct form_pair *pair, const char *name) {
    for (; pair; pair = pair->next)
        if (strcmp(pair->name, name) == 0)
            return pair->value;
    return NULL;
}

const char *crew_request_query(crew_request *request, const char *name) {
    if (!request)
        return NULL;
    if (!request->has_query_pairs) {
        request->has_query_pairs = true;
        request->query_pairs = decode_pairs(request, request->target.query);
    }
    return find_pair(request->query_pairs, name);
}

/* The fields of a form with parts; the texts stay where they lie. */
static struct form_pair *list_fields(struct crew_request *request) {
    struct form_pair *first = NULL, **end = &first;
    for (const struct upload_part *part = upload_first(request->upload); part;
         part = part->next) {
        struct form_pair *pair =
            part->is_file ? NULL : arena_take(&request->arena, sizeof(*pair));
        if (!pair)
            continue;
        *pair = (struct form_pair){part->name, part->data->data, (size_t)part->size, NULL};
        *end = pair;
        end = &pair->next;
    }
    return first;
}

/* Too many fields are found out here and not as the body comes: much that is sent with this
 * type, curl's default, is no form, and the app takes it as bytes. */
static void list_pairs(struct crew_request *request, struct http_slice form) {
    if (form_exceeds(form, service_of(request->conn)->config->http.max_parts))
        request->form_error = CREW_ETOOBIG;
    else
        request->form_pairs = decode_pairs(request, form);
}

static const struct form_pair *form_of(struct crew_request *request) {
    if (!request->has_form_pairs && request->is_body_over) {
        request->has_form_pairs = true;
        struct http_slice form;
        if (request->upload)
            request->form_pairs = list_fields(request);
        else if (request_has_form(request, &form))
            list_pairs(request, form);
    }
    return request->form_pairs;
}

const char *crew_request_form(crew_request *request, const char *name) {
    return request ? find_pair(form_of(request), name) : NULL;
}

int crew_request_each_field(crew_request *request,
                            int (*visit)(const char *name, const char *value, size_t len,
                                         void *arg),
                            void *arg) {
    if (!request)
        return CREW_ENOENT;
    const struct form_pair *pair = form_of(request);
    int error = request->form_error;
    for (; pair; pair = pair->next) {
        int result = visit(pair->name, pair->value, pair->value_len, arg);
        if (result != 0)
            return result;
    }
    return error;
}

const char *crew_request_cookie(crew_request *request, const char *name) {
    if (!request)
        return NULL;
    const struct http_field *field;
    size_t from = 0;
    while ((field = http_head_next(&request->head, "cookie", &from)) != NULL) {
        struct http_slice rest = field->value, found, value;
        while (cookie_next(&rest, &found, &value))
            if (found.len == strlen(name) && memcmp(found.data, name, found.len) == 0)
                return text_of(request, value);
    }
    return NULL;
}

const char *crew_request_body(crew_request *request, size_t *out_len) {
    bool is_there = request && request->is_body_over && request->body_len > 0;
    /* The app may hold on to it until the answer is complete. */
    if (is_there)
        (void)request_keep_body(request);
    *out_len = is_there ? request->body_len : 0;
    return is_there ? request->body_data : "";
}
