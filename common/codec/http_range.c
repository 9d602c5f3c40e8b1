/* SPDX-License-Identifier: MIT
 *
 * Ranges: see http_range.h.
 */
#include "http_range.h"

#include <string.h>

#define NOT_SATISFIABLE (-416)

/* 1*DIGIT up to `end`; what does not fit is as good as the largest number. False: not a number.
 */
static bool parse_number(const char *p, const char *end, uint64_t *out_number) {
    uint64_t number = 0;
    if (p == end)
        return false;
    for (; p < end; p++) {
        if (!http_char_is_digit(*p))
            return false;
        unsigned digit = (unsigned)(*p - '0');
        number = number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : number * 10 + digit;
    }
    *out_number = number;
    return true;
}

enum verdict { MALFORMED = -1, UNSATISFIABLE, SATISFIABLE };

/* Section 14.1.2: first-last, first-, or -suffix. */
static enum verdict parse_spec(struct http_slice spec, uint64_t size,
                               struct http_range *out_range) {
    const char *end = spec.data + spec.len;
    const char *dash = memchr(spec.data, '-', spec.len);
    uint64_t first = 0, last = UINT64_MAX;
    if (!dash || (spec.len == 1))
        return MALFORMED;
    if (dash == spec.data) {
        if (!parse_number(dash + 1, end, &last))
            return MALFORMED;
        if (last == 0 || size == 0)
            return UNSATISFIABLE;
        *out_range = (struct http_range){last < size ? size - last : 0, size - 1};
        return SATISFIABLE;
    }
    if (!parse_number(spec.data, dash, &first) ||
        (dash + 1 < end && !parse_number(dash + 1, end, &last)) || first > last)
        return MALFORMED;
    if (first >= size)
        return UNSATISFIABLE;
    *out_range = (struct http_range){first, last < size ? last : size - 1};
    return SATISFIABLE;
}

static bool begins_with_bytes(struct http_slice *value) {
    const char *equals = value->len > 0 ? memchr(value->data, '=', value->len) : NULL;
    uint32_t len = equals ? (uint32_t)(equals - value->data) : 0;
    if (!equals || !http_slice_equals((struct http_slice){value->data, len}, "bytes"))
        return false;
    value->data += len + 1;
    value->len -= len + 1;
    return true;
}

int http_range_parse(struct http_slice value, uint64_t size, struct http_range *out_ranges,
                     size_t capacity) {
    struct http_slice spec;
    size_t count = 0, specs = 0;
    uint64_t left = size;
    if (!begins_with_bytes(&value))
        return 0;
    while (http_list_next(&value, &spec)) {
        struct http_range range;
        enum verdict verdict = parse_spec(spec, size, &range);
        if (verdict == MALFORMED || ++specs > capacity)
            return 0;
        if (verdict == UNSATISFIABLE)
            continue;
        uint64_t length = range.last - range.first + 1;
        if (length > left)
            return 0;
        left -= length;
        out_ranges[count++] = range;
    }
    if (specs == 0)
        return 0;
    return count > 0 ? (int)count : NOT_SATISFIABLE;
}
