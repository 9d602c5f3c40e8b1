/* SPDX-License-Identifier: MIT
 *
 * application/x-www-form-urlencoded (WHATWG URL section 5.1): the pairs of a query, or of a
 * form's body.
 */
#ifndef CREWMAN_FORM_H
#define CREWMAN_FORM_H

#include "http_chars.h"

/* The next pair, still encoded; a name without "=" has an empty value. Takes it off *rest;
 * false at the end. Decode with http_target_decode(…, HTTP_DECODE_FORM, …). */
bool form_next(struct http_slice *rest, struct http_slice *out_name,
               struct http_slice *out_value);

/* Are there more than `limit` pairs? */
bool form_exceeds(struct http_slice form, uint32_t limit);

#endif
