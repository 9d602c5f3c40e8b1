/* SPDX-License-Identifier: MIT
 *
 * Writing the head of an HTTP/1.1 response (RFC 9112 section 4) into room that the caller
 * gives. What could end a line early is refused: no header can smuggle another one in.
 */
#ifndef CREWMAN_HTTP_RESPONSE_H
#define CREWMAN_HTTP_RESPONSE_H

#include "http_chars.h"

/* Errors stick: write all, then look at http_response_finish(). */
struct http_response {
    char *data;
    size_t len, capacity;
    bool is_refused; /* a name or value that must not be in a head */
    bool is_full;
};

/* The phrase of a status, "" for one that has no name. */
const char *http_response_phrase(int status);

/* A body can follow (RFC 9110 section 6.4.1)? Not with 1xx, 204, 304. */
bool http_response_has_body(int status);

/* The status line. `reason` NULL: http_response_phrase(). */
void http_response_begin(struct http_response *response, char *data, size_t capacity,
                         int status, const char *reason);

/* A field. Refused: a name that is no token, a value with CR, LF, NUL or another control
 * character. */
void http_response_add(struct http_response *response, const char *name, const char *value,
                       size_t len);
void http_response_add_text(struct http_response *response, const char *name,
                            const char *value);

/* The same with a name, and a value, of our own making: not checked. */
void http_response_add_own(struct http_response *response, const char *name, const char *value);
void http_response_add_number(struct http_response *response, const char *name, uint64_t value);

/* The empty line. The length of the head; -1: refused; -2: it does not fit. */
long http_response_finish(struct http_response *response);

#define HTTP_CHUNK_HEADER_MAX 18u

/* What goes before `len` bytes (not 0) of a chunked body; CR LF goes behind them (RFC 9112
 * section 7.1). The end of such a body is "0\r\n\r\n". */
size_t http_response_chunk(char out[HTTP_CHUNK_HEADER_MAX], uint64_t len);

#endif
