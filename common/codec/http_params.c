/* SPDX-License-Identifier: MIT
 *
 * Parameters: see http_params.h.
 */
#include "http_params.h"

#include <string.h>

static void skip(struct http_slice *rest, uint32_t count) {
    rest->data += count;
    rest->len -= count;
}

static void skip_spaces(struct http_slice *rest) {
    while (rest->len > 0 && http_char_is_space(rest->data[0]))
        skip(rest, 1);
}

bool http_params_begin(struct http_slice *rest, struct http_slice *out_value) {
    const char *semicolon = rest->len > 0 ? memchr(rest->data, ';', rest->len) : NULL;
    uint32_t len = semicolon ? (uint32_t)(semicolon - rest->data) : rest->len;
    *out_value = http_slice_trim((struct http_slice){rest->data, len});
    skip(rest, len);
    return out_value->len > 0;
}

static struct http_slice take_token(struct http_slice *rest) {
    uint32_t len = 0;
    while (len < rest->len && http_char_is_token(rest->data[len]))
        len++;
    struct http_slice token = {rest->data, len};
    skip(rest, len);
    return token;
}

/* Behind the opening quote. False: it is not closed. */
static bool take_quoted(struct http_slice *rest, struct http_slice *out_value) {
    for (uint32_t i = 0; i < rest->len; i++) {
        if (rest->data[i] == '\\') {
            i++;
        } else if (rest->data[i] == '"') {
            *out_value = (struct http_slice){rest->data, i};
            skip(rest, i + 1);
            return true;
        }
    }
    return false;
}

static int take_value(struct http_slice *rest, struct http_param *out_param) {
    skip_spaces(rest);
    if (rest->len == 0 || rest->data[0] != '=')
        return 1;
    skip(rest, 1);
    skip_spaces(rest);
    out_param->has_value = true;
    if (rest->len > 0 && rest->data[0] == '"') {
        skip(rest, 1);
        out_param->is_quoted = true;
        return take_quoted(rest, &out_param->value) ? 1 : -1;
    }
    out_param->value = take_token(rest);
    return out_param->value.len > 0 ? 1 : -1;
}

int http_params_first(struct http_slice *rest, struct http_param *out_param) {
    while (rest->len > 0 && (rest->data[0] == ';' || http_char_is_space(rest->data[0])))
        skip(rest, 1);
    if (rest->len == 0)
        return 0;
    *out_param = (struct http_param){.value = {"", 0}};
    out_param->name = take_token(rest);
    return out_param->name.len > 0 ? take_value(rest, out_param) : -1;
}

int http_params_next(struct http_slice *rest, struct http_param *out_param) {
    skip_spaces(rest);
    if (rest->len > 0 && rest->data[0] != ';')
        return -1;
    return http_params_first(rest, out_param);
}

size_t http_params_unquote(struct http_slice value, bool is_lenient, char *out) {
    size_t len = 0;
    for (uint32_t i = 0; i < value.len; i++) {
        if (value.data[i] == '\\' && i + 1 < value.len &&
            (!is_lenient || value.data[i + 1] == '"' || value.data[i + 1] == '\\'))
            i++;
        out[len++] = value.data[i];
    }
    return len;
}
