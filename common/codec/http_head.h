/* SPDX-License-Identifier: MIT
 *
 * The head of an HTTP/1.x request (RFC 9112 sections 2 to 6): request line and fields, as
 * slices of the input. Strict: whatever two implementations could read in two ways is refused,
 * since that is what request smuggling lives on (RFC 9112 section 11.2).
 */
#ifndef CREWMAN_HTTP_HEAD_H
#define CREWMAN_HTTP_HEAD_H

#include "http_field.h"

enum http_method {
    HTTP_OTHER, /* see the slice */
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_CONNECT,
    HTTP_OPTIONS,
    HTTP_TRACE,
    HTTP_PATCH
};

struct http_limits {
    size_t head_size; /* bytes of the whole head */
    size_t fields;
};

struct http_head {
    struct http_field *fields; /* given by the caller, with `capacity` elements */
    size_t capacity;
    size_t count;

    struct http_slice method, target;
    enum http_method method_id;
    int minor_version;      /* of HTTP/1.x */
    struct http_slice host; /* of the Host field; length 0: none, or an empty one */
    int64_t content_length; /* -1: none */
    bool is_chunked;        /* the body is; content_length is then -1 */
    bool keep_alive;        /* section 9.3 */
    bool expects_continue;  /* RFC 9110 section 10.1.1 */
    bool has_other_expectation;
    bool wants_upgrade; /* Upgrade, and "upgrade" in Connection */

    const char *error; /* of a refusal, for people; static */
};

/* Positive: the bytes of the head, its empty line among them. 0: need more; *scan_from (0 at
 * first) remembers how much has been looked at, `data` must begin with the same bytes next
 * time. Negative: minus the status to refuse with, 400, 414, 431, 501 or 505, and nothing of
 * *head but `error` is meant then. More fields than limits->fields or the capacity: 431. */
int http_head_parse(const char *data, size_t len, size_t *scan_from,
                    const struct http_limits *limits, struct http_head *head);

/* The next field of that name at or behind *from, NULL: none. *from goes behind it; start at 0.
 */
const struct http_field *http_head_next(const struct http_head *head, const char *name,
                                        size_t *from);

/* The first field of that name, or NULL. */
const struct http_field *http_head_find(const struct http_head *head, const char *name);

/* Is `token` in the comma lists of all fields of that name? */
bool http_head_list_has(const struct http_head *head, const char *name, const char *token);

#endif
