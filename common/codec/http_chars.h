/* SPDX-License-Identifier: MIT
 *
 * Slices of text that somebody else owns, and the character classes and comparisons of the HTTP
 * grammars (RFC 9110 section 5.6). Shared by all http_ codecs.
 */
#ifndef CREWMAN_HTTP_CHARS_H
#define CREWMAN_HTTP_CHARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Not terminated; `data` is not NULL in what a codec hands out. */
struct http_slice {
    const char *data;
    uint32_t len;
};

enum http_char_class { HTTP_TOKEN = 1, HTTP_VALUE = 2, HTTP_HOST = 4, HTTP_TARGET = 8 };

/* The classes of each byte. */
extern const unsigned char http_char_classes[256];

static inline bool http_char_is(char c, enum http_char_class class) {
    return (http_char_classes[(unsigned char)c] & class) != 0;
}

/* tchar of RFC 9110 section 5.6.2. */
static inline bool http_char_is_token(char c) {
    return http_char_is(c, HTTP_TOKEN);
}

/* A byte of a field value: HTAB, SP, VCHAR or obs-text (section 5.5). */
static inline bool http_char_is_value(char c) {
    return http_char_is(c, HTTP_VALUE);
}

static inline bool http_char_is_space(char c) {
    return c == ' ' || c == '\t';
}

static inline bool http_char_is_digit(char c) {
    return c >= '0' && c <= '9';
}

static inline char http_char_lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* 0 to 15; negative: not a hexadecimal digit. */
int http_char_hex(char c);

/* At least one byte, all of them tchar. */
bool http_is_token(const char *data, size_t len);
bool http_is_value(const char *data, size_t len);

/* uri-host [ ":" port ] (RFC 9110 section 7.2). Both parts may be empty. */
bool http_is_host(struct http_slice value);

/* ASCII case does not count. */
static inline bool http_slice_equals(struct http_slice slice, const char *text) {
    size_t len = strlen(text);
    if (slice.len != len)
        return false;
    for (size_t i = 0; i < len; i++)
        if (http_char_lower(slice.data[i]) != http_char_lower(text[i]))
            return false;
    return true;
}

/* Without the spaces and tabs around it. */
struct http_slice http_slice_trim(struct http_slice slice);

/* The next element of a comma list (section 5.6.1), trimmed; empty ones are passed over. False
 * at the end. Takes it off *rest. A comma in a quoted string does not separate. */
bool http_list_next(struct http_slice *rest, struct http_slice *out_element);

/* Is `token` one of the elements? Parameters behind a ";" make it another one. */
bool http_list_has(struct http_slice list, const char *token);

#endif
