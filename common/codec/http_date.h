/* SPDX-License-Identifier: MIT
 *
 * HTTP dates (RFC 9110 section 5.6.7) as seconds since 1970, without a clock or a time zone.
 */
#ifndef CREWMAN_HTTP_DATE_H
#define CREWMAN_HTTP_DATE_H

#include "http_chars.h"

#define HTTP_DATE_LEN 29u

/* Sun, 06 Nov 1994 08:49:37 GMT; no NUL. Years before 0 and above 9999 are written as the
 * nearest date that there is. */
void http_date_format(int64_t seconds, char out[HTTP_DATE_LEN]);

/* All three forms. False: it is none of them, or no day of the calendar. `now` tells the
 * century of a year of two digits: none is more than 50 years ahead. */
bool http_date_parse(struct http_slice text, int64_t now, int64_t *out_seconds);

#endif
