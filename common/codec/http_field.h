/* SPDX-License-Identifier: MIT
 *
 * One field line, of a request head, of trailers, or of a part of multipart/form-data (RFC 9112
 * section 5).
 */
#ifndef CREWMAN_HTTP_FIELD_H
#define CREWMAN_HTTP_FIELD_H

#include "http_chars.h"

struct http_field {
    struct http_slice name, value; /* the value without the spaces around it */
};

/* A line without its CR LF. NULL, or what is wrong with it; static. */
const char *http_field_parse(const char *line, size_t len, struct http_field *out_field);

/* Has it a meaning behind a body? False for what frames, routes, authenticates or describes the
 * message, which had to be known before (RFC 9110 section 6.5.1). */
bool http_field_may_trail(const struct http_field *field);

#endif
