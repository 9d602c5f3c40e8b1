/* SPDX-License-Identifier: MIT
 *
 * The body of an HTTP/1.1 request: by Content-Length, or chunked with trailers (RFC 9112
 * sections 6 and 7.1). Its data is handed out where it lies, as it comes; only an unfinished
 * line of trailers is kept, and trailers that belong into a head are read over. Strict in
 * sizes, as smuggling lives on two readings of them.
 */
#ifndef CREWMAN_HTTP_BODY_H
#define CREWMAN_HTTP_BODY_H

#include "http_head.h"

struct codec_buffer;

struct http_body {
    uint64_t left;             /* of the body, or of the current chunk */
    uint64_t size;             /* data handed out so far */
    struct codec_buffer *line; /* an unfinished trailer */
    uint32_t overhead;         /* bytes of extensions and trailers so far */
    uint16_t status;           /* of an error, sticky */
    uint8_t state;
    uint8_t digits; /* of the chunk size */
    bool is_line_spent;
};

struct http_body_limits {
    uint64_t max_body;
    size_t overhead; /* bytes of chunk extensions, and of trailers: as the size of a head */
};

enum http_body_event_type {
    HTTP_BODY_NEED_MORE = 0,
    HTTP_BODY_DATA,
    HTTP_BODY_TRAILER, /* one that http_field_may_trail() */
    HTTP_BODY_END,     /* what is left of the input is the next request */
    HTTP_BODY_ERROR
};

struct http_body_event {
    enum http_body_event_type type;
    char *data; /* of DATA: in the input */
    size_t len;
    struct http_field trailer; /* borrowed until the next call */
    int status;                /* of ERROR: 400, 413, 431, 500 (out of memory) */
    const char *text;
};

/* By what the head says. A body that is announced as too long is known as such by the first
 * call. */
void http_body_init(struct http_body *body, const struct http_head *head);
void http_body_done(struct http_body *body);

/* Has all of it come, so that HTTP_BODY_END needs no more input? */
bool http_body_is_whole(const struct http_body *body);

/* As the other decoders: call until HTTP_BODY_NEED_MORE, _END or _ERROR, or stop and keep the
 * rest. A body of length 0 gives HTTP_BODY_END at once. */
enum http_body_event_type http_body_next(struct http_body *body,
                                         const struct http_body_limits *limits, char **data,
                                         size_t *len, struct http_body_event *out_event);

#endif
