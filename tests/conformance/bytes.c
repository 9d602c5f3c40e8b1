/* SPDX-License-Identifier: MIT
 *
 * See bytes.h.
 */
#include "bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void reserve(struct bytes *bytes, size_t more) {
    if (bytes->data && bytes->capacity - bytes->len > more)
        return;
    bytes->capacity = (bytes->len + more + 1) * 2;
    bytes->data = realloc(bytes->data, bytes->capacity);
    if (!bytes->data)
        abort();
}

void bytes_add(struct bytes *bytes, const void *data, size_t len) {
    reserve(bytes, len);
    if (len > 0)
        memcpy(bytes->data + bytes->len, data, len);
    bytes->len += len;
    bytes->data[bytes->len] = '\0';
}

void bytes_print(struct bytes *bytes, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof(text))
        abort();
    bytes_add(bytes, text, (size_t)len);
}

static void quote_byte(struct bytes *bytes, unsigned char byte) {
    static const char letters[] = "r\rn\nt\t0\0\"\"\\\\";
    for (size_t i = 0; i + 1 < sizeof(letters); i += 2) {
        if ((unsigned char)letters[i + 1] == byte) {
            char pair[] = {'\\', letters[i]};
            bytes_add(bytes, pair, 2);
            return;
        }
    }
    if (byte >= ' ' && byte < 0x7f)
        bytes_add(bytes, &byte, 1);
    else
        bytes_print(bytes, "\\x%02x", byte);
}

void bytes_quote(struct bytes *bytes, const void *data, size_t len) {
    const unsigned char *p = data;
    bytes_add(bytes, "\"", 1);
    for (size_t i = 0; i < len; i++)
        quote_byte(bytes, p[i]);
    bytes_add(bytes, "\"", 1);
}

void bytes_done(struct bytes *bytes) {
    free(bytes->data);
    *bytes = (struct bytes){0};
}
