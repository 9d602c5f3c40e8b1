/* SPDX-License-Identifier: MIT
 *
 * Byte ranges (RFC 9110 section 14).
 */
#ifndef CREWMAN_HTTP_RANGE_H
#define CREWMAN_HTTP_RANGE_H

#include "http_chars.h"

struct http_range {
    uint64_t first, last; /* both included; last < size */
};

/* What a Range value asks of `size` bytes. Positive: that many ranges, as they were asked for,
 * without those that cannot be satisfied. -416: none can. 0: answer as if there were no Range:
 * another unit, a malformed value, more ranges than `capacity`, or ranges that together exceed
 * the size (section 14.2 lets a server refuse such waste). */
int http_range_parse(struct http_slice value, uint64_t size, struct http_range *out_ranges,
                     size_t capacity);

#endif
