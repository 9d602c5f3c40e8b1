/* SPDX-License-Identifier: MIT
 *
 * Field lines: see http_field.h. No space before the colon, no folded lines, no control
 * characters.
 */
#include "http_field.h"

bool http_field_may_trail(const struct http_field *field) {
    static const char *const heads_only[] = {"authorization",
                                             "cache-control",
                                             "connection",
                                             "content-encoding",
                                             "content-length",
                                             "content-range",
                                             "content-type",
                                             "cookie",
                                             "expect",
                                             "forwarded",
                                             "host",
                                             "if-match",
                                             "if-modified-since",
                                             "if-none-match",
                                             "if-range",
                                             "if-unmodified-since",
                                             "keep-alive",
                                             "max-forwards",
                                             "pragma",
                                             "proxy-authorization",
                                             "range",
                                             "te",
                                             "trailer",
                                             "transfer-encoding",
                                             "upgrade",
                                             "x-forwarded-for",
                                             "x-forwarded-proto"};
    for (size_t i = 0; i < sizeof(heads_only) / sizeof(heads_only[0]); i++)
        if (http_slice_equals(field->name, heads_only[i]))
            return false;
    return true;
}

const char *http_field_parse(const char *line, size_t len, struct http_field *out_field) {
    size_t name = 0;
    while (name < len && http_char_is_token(line[name]))
        name++;
    if (name == 0 && len > 0 && http_char_is_space(line[0]))
        return "folded header line";
    if (name == 0 || name == len || line[name] != ':' || len > UINT32_MAX)
        return "malformed header name";
    struct http_slice value = {line + name + 1, (uint32_t)(len - name - 1)};
    if (!http_is_value(value.data, value.len))
        return "control character in a header";
    out_field->name = (struct http_slice){line, (uint32_t)name};
    out_field->value = http_slice_trim(value);
    return NULL;
}
