/* SPDX-License-Identifier: MIT
 *
 * Character classes and lists: see http_chars.h.
 */
#include "http_chars.h"

#include <string.h>

/* Every visible character may be in a target or value, all but the delimiters in a token; those
 * of a registered name (RFC 3986 section 3.2.2) in a host. */
#define V  (HTTP_VALUE | HTTP_TARGET)
#define VH (V | HTTP_HOST)
#define T  (V | HTTP_TOKEN)
#define TH (T | HTTP_HOST)

/* clang-format off */
const unsigned char http_char_classes[256] = {
    ['\t'] = HTTP_VALUE, [' '] = HTTP_VALUE, [0x80 ... 0xff] = HTTP_VALUE,
    ['!'] = TH, ['"'] = V, ['#'] = T, ['$'] = TH, ['%'] = TH, ['&'] = TH, ['\''] = TH,
    ['('] = VH, [')'] = VH, ['*'] = TH, ['+'] = TH, [','] = VH, ['-'] = TH, ['.'] = TH,
    ['/'] = V, ['0' ... '9'] = TH, [':'] = V, [';'] = VH, ['<'] = V, ['='] = VH, ['>'] = V,
    ['?'] = V, ['@'] = V, ['A' ... 'Z'] = TH, ['['] = V, ['\\'] = V, [']'] = V, ['^'] = T,
    ['_'] = TH, ['`'] = T, ['a' ... 'z'] = TH, ['{'] = V, ['|'] = T, ['}'] = V, ['~'] = TH,
};
/* clang-format on */

int http_char_hex(char c) {
    if (http_char_is_digit(c))
        return c - '0';
    c = http_char_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool http_is_token(const char *data, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (!http_char_is_token(data[i]))
            return false;
    return len > 0;
}

#define ONES  0x0101010101010101u
#define HIGHS 0x8080808080808080u

/* May some byte of the word be none of a value? True for a tab as well: the table decides.
 * Bytes below 0x20 borrow into their highest bit, 0x7f is the one that becomes zero by the xor.
 */
static bool is_doubtful(uint64_t word) {
    uint64_t low = (word - ONES * 0x20) & ~word;
    uint64_t del = word ^ (ONES * 0x7f);
    return ((low | ((del - ONES) & ~del)) & HIGHS) != 0;
}

static bool are_values(const char *data, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (!http_char_is_value(data[i]))
            return false;
    return true;
}

/* Word by word, the last one ending at the end, wherever it begins. */
bool http_is_value(const char *data, size_t len) {
    uint64_t word;
    if (len < sizeof(word))
        return are_values(data, len);
    for (size_t i = 0;; i += sizeof(word)) {
        if (i > len - sizeof(word))
            i = len - sizeof(word);
        memcpy(&word, data + i, sizeof(word));
        if (is_doubtful(word) && !are_values(data + i, sizeof(word)))
            return false;
        if (i == len - sizeof(word))
            return true;
    }
}

/* Up to the first byte that is of no registered name. */
static uint32_t measure_name(struct http_slice value) {
    uint32_t len = 0;
    while (len < value.len && http_char_is(value.data[len], HTTP_HOST)) {
        if (value.data[len] == '%' &&
            (value.len - len < 3 || http_char_hex(value.data[len + 1]) < 0 ||
             http_char_hex(value.data[len + 2]) < 0))
            break;
        len++;
    }
    return len;
}

/* An address in brackets, by its characters; 0 if it is none. */
static uint32_t measure_literal(struct http_slice value) {
    uint32_t len = 1;
    while (len < value.len &&
           (http_char_is(value.data[len], HTTP_HOST) || value.data[len] == ':'))
        len++;
    return len > 1 && len < value.len && value.data[len] == ']' ? len + 1 : 0;
}

bool http_is_host(struct http_slice value) {
    bool is_literal = value.len > 0 && value.data[0] == '[';
    uint32_t len = is_literal ? measure_literal(value) : measure_name(value);
    if (len == value.len)
        return true;
    if (value.data[len] != ':') /* of no literal at all, that is the bracket */
        return false;
    while (++len < value.len)
        if (!http_char_is_digit(value.data[len]))
            return false;
    return true;
}

struct http_slice http_slice_trim(struct http_slice slice) {
    while (slice.len > 0 && http_char_is_space(slice.data[0])) {
        slice.data++;
        slice.len--;
    }
    while (slice.len > 0 && http_char_is_space(slice.data[slice.len - 1]))
        slice.len--;
    return slice;
}

/* The length up to the comma, or to the end. */
static uint32_t measure_element(struct http_slice list) {
    bool is_quoted = false;
    for (uint32_t i = 0; i < list.len; i++) {
        char c = list.data[i];
        if (is_quoted && c == '\\')
            i++;
        else if (c == '"')
            is_quoted = !is_quoted;
        else if (c == ',' && !is_quoted)
            return i;
    }
    return list.len;
}

bool http_list_next(struct http_slice *rest, struct http_slice *out_element) {
    while (rest->len > 0) {
        uint32_t len = measure_element(*rest);
        struct http_slice element = http_slice_trim((struct http_slice){rest->data, len});
        uint32_t step = len < rest->len ? len + 1 : len;
        rest->data += step;
        rest->len -= step;
        if (element.len > 0) {
            *out_element = element;
            return true;
        }
    }
    return false;
}

bool http_list_has(struct http_slice list, const char *token) {
    struct http_slice element;
    while (http_list_next(&list, &element))
        if (http_slice_equals(element, token))
            return true;
    return false;
}
