/* SPDX-License-Identifier: MIT
 *
 * Pairs of forms: see form.h.
 */
#include "form.h"

#include <string.h>

static struct http_slice take_pair(struct http_slice *rest) {
    const char *end = memchr(rest->data, '&', rest->len);
    uint32_t len = end ? (uint32_t)(end - rest->data) : rest->len;
    struct http_slice pair = {rest->data, len};
    uint32_t step = end ? len + 1 : len;
    rest->data += step;
    rest->len -= step;
    return pair;
}

bool form_next(struct http_slice *rest, struct http_slice *out_name,
               struct http_slice *out_value) {
    struct http_slice pair = {NULL, 0};
    while (pair.len == 0 && rest->len > 0)
        pair = take_pair(rest);
    if (pair.len == 0)
        return false;
    const char *equals = memchr(pair.data, '=', pair.len);
    uint32_t len = equals ? (uint32_t)(equals - pair.data) : pair.len;
    *out_name = (struct http_slice){pair.data, len};
    uint32_t from = equals ? len + 1 : len;
    *out_value = (struct http_slice){pair.data + from, pair.len - from};
    return true;
}

bool form_exceeds(struct http_slice form, uint32_t limit) {
    struct http_slice name, value;
    for (uint32_t count = 0; form_next(&form, &name, &value); count++)
        if (count == limit)
            return true;
    return false;
}
