/* SPDX-License-Identifier: MIT
 *
 * Conditional requests (RFC 9110 section 13): does the client have it already, is it still what
 * the client knew?
 */
#ifndef CREWMAN_HTTP_CONDITION_H
#define CREWMAN_HTTP_CONDITION_H

#include "http_head.h"

/* What is there now. */
struct http_validators {
    bool exists;
    const char *etag; /* with its quotes, W/ before them if it is weak; NULL: has none */
    bool has_last_modified;
    int64_t last_modified; /* seconds since 1970 */
};

/* In the order of section 13.2.2: 0 go on, 304, or 412. `now` is for dates with short years. */
int http_condition_evaluate(const struct http_head *head,
                            const struct http_validators *validators, int64_t now);

/* May Range be honoured (section 13.1.5)? True also when there is no If-Range. */
bool http_condition_range_holds(const struct http_head *head,
                                const struct http_validators *validators, int64_t now);

#endif
