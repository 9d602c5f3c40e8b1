/* SPDX-License-Identifier: MIT
 *
 * See printable.h. Letters of every language stay.
 */
#include "printable.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Bytes of the sequence that begins with `first`; 0: none does. */
static int length_of(unsigned char first) {
    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* The character at `text`, as RFC 3629 allows it. Answers its bytes; 0: it is no UTF-8. */
static int decode(const char *text, uint32_t *out_code) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *bytes = (const unsigned char *)text;
    int length = length_of(bytes[0]);
    uint32_t code = length < 2 ? bytes[0] : bytes[0] & (0xffu >> (length + 1));
    for (int i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (bytes[i] & 0x3fu);
    }
    if (length == 0 || code < least[length] || code > 0x10ffff ||
        (code >= 0xd800 && code <= 0xdfff))
        return 0;
    *out_code = code;
    return length;
}

static bool is_control(uint32_t code) {
    return code < 0x20 || (code >= 0x7f && code < 0xa0);
}

/* Marks, embeddings, overrides and isolates of direction; ends of lines and paragraphs. */
static bool turns_the_line(uint32_t code) {
    return code == 0x061c || code == 0x200e || code == 0x200f ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

int printable_look(const char *text) {
    uint32_t code;
    int length = decode(text, &code);
    if (length == 0)
        return -1;
    return is_control(code) || turns_the_line(code) ? -length : length;
}

void printable_make(char *text, char instead) {
    while (*text) {
        int length = printable_look(text);
        size_t bytes = (size_t)(length < 0 ? -length : length);
        if (length < 0)
            memset(text, instead, bytes);
        text += bytes;
    }
}

size_t printable_copy(char *out_text, size_t size, const char *text) {
    size_t len = 0;
    while (*text) {
        int length = printable_look(text);
        size_t bytes = (size_t)(length < 0 ? -length : length);
        if (len + (length < 0 ? 4 * bytes : bytes) >= size)
            break;
        for (size_t i = 0; i < bytes; i++, text++) {
            if (length > 0)
                out_text[len++] = *text;
            else
                len += (size_t)snprintf(out_text + len, size - len, "\\x%02x",
                                        (unsigned char)*text);
        }
    }
    out_text[len] = '\0';
    return len;
}
