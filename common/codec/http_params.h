/* SPDX-License-Identifier: MIT
 *
 * Parameters behind a value: value *( ";" name [ "=" ( token / quoted-string ) ] ), as in
 * Content-Type, Content-Disposition, Forwarded and Sec-WebSocket-Extensions (RFC 9110 section
 * 5.6.6).
 */
#ifndef CREWMAN_HTTP_PARAMS_H
#define CREWMAN_HTTP_PARAMS_H

#include "http_chars.h"

struct http_param {
    struct http_slice name, value; /* value: what stands between the quotes, still escaped */
    bool has_value, is_quoted;
};

/* Take what stands before the first ";" off *rest, trimmed. False when it is empty. */
bool http_params_begin(struct http_slice *rest, struct http_slice *out_value);

/* The next parameter. 1; 0: there is none; -1: malformed. An empty one (";;") is passed over.
 */
int http_params_next(struct http_slice *rest, struct http_param *out_param);

/* The same at the front of a list that begins with a parameter, as in Forwarded. */
int http_params_first(struct http_slice *rest, struct http_param *out_param);

/* Copy the value of a quoted string without its escapes (section 5.6.4): of any character, or
 * of only
 * \" and \\ if `is_lenient`. Answers the length; `out` has room for value.len bytes. */
size_t http_params_unquote(struct http_slice value, bool is_lenient, char *out);

#endif
