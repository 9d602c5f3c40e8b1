/* SPDX-License-Identifier: MIT
 *
 * UTF-8 validation: see utf8.h. ASCII goes 64 or 16 bytes at a time, whole characters by
 * comparisons on their two, three or four bytes, and only what is cut by the end of a piece
 * goes byte by byte through the state.
 */
#include "utf8.h"

#include <string.h>

#include "utf8_blocks.h"

#define BLOCK     16u
#define BIG_BLOCK 64u
#define HIGH_BITS 0x8080808080808080u
#define LONGEST   4
#define STRETCH   256u /* bytes between two looks for ASCII */

typedef unsigned char bytes16 __attribute__((vector_size(16)));

static bool is_ascii_16(const unsigned char *p) {
    uint64_t a, b;
    memcpy(&a, p, 8);
    memcpy(&b, p + 8, 8);
    return ((a | b) & HIGH_BITS) == 0;
}

static bool is_ascii_64(const unsigned char *p) {
    bytes16 a, b, c, d;
    memcpy(&a, p, BLOCK);
    memcpy(&b, p + BLOCK, BLOCK);
    memcpy(&c, p + 2 * BLOCK, BLOCK);
    memcpy(&d, p + 3 * BLOCK, BLOCK);
    a |= b | c | d;
    return is_ascii_16((const unsigned char *)&a);
}

static const unsigned char *skip_ascii(const unsigned char *p, const unsigned char *end) {
    while ((size_t)(end - p) >= BIG_BLOCK && is_ascii_64(p))
        p += BIG_BLOCK;
    while ((size_t)(end - p) >= BLOCK && is_ascii_16(p))
        p += BLOCK;
    return p;
}

static bool is_continuation(unsigned char byte) {
    return (byte & 0xc0) == 0x80;
}

/* RFC 3629 section 4: what the first byte asks of the second. */
static bool begin(struct utf8 *utf8, unsigned char byte) {
    utf8->lower = 0x80;
    utf8->upper = 0xbf;
    if (byte >= 0xc2 && byte <= 0xdf) {
        utf8->need = 1;
        return true;
    }
    if (byte >= 0xe0 && byte <= 0xef) {
        utf8->need = 2;
        if (byte == 0xe0)
            utf8->lower = 0xa0;
        if (byte == 0xed)
            utf8->upper = 0x9f;
        return true;
    }
    if (byte < 0xf0 || byte > 0xf4)
        return false;
    utf8->need = 3;
    if (byte == 0xf0)
        utf8->lower = 0x90;
    if (byte == 0xf4)
        utf8->upper = 0x8f;
    return true;
}

static bool feed_byte(struct utf8 *utf8, unsigned char byte) {
    if (utf8->need == 0)
        return byte < 0x80 || begin(utf8, byte);
    if (byte < utf8->lower || byte > utf8->upper)
        return false;
    utf8->lower = 0x80;
    utf8->upper = 0xbf;
    utf8->need--;
    return true;
}

/* The length of the character at `p`, four bytes of which can be read; 0 if it is none. */
static size_t measure(const unsigned char *p) {
    unsigned first = p[0];
    if (first < 0x80)
        return 1;
    if (!is_continuation(p[1]))
        return 0;
    if (first < 0xe0)
        return first >= 0xc2 ? 2 : 0;
    if (!is_continuation(p[2]))
        return 0;
    unsigned start = first << 6 | (p[1] & 0x3fu);
    if (first < 0xf0) /* not below U+0800, not U+D800 to U+DFFF */
        return start >= (0xe0u << 6 | 0x20) && start >> 5 != (0xedu << 1 | 1) ? 3 : 0;
    /* not below U+10000, not above U+10FFFF */
    return is_continuation(p[3]) && start >= (0xf0u << 6 | 0x10) && start < (0xf4u << 6 | 0x10)
               ? 4
               : 0;
}

/* Whole characters, up to `pause` or a little beyond. */
static bool feed_characters(const unsigned char **p, const unsigned char *pause,
                            const unsigned char *end) {
    while (*p < pause && end - *p >= LONGEST) {
        size_t length = measure(*p);
        if (length == 0)
            return false;
        *p += length;
    }
    return true;
}

bool utf8_feed(struct utf8 *utf8, const char *data, size_t len) {
    if (len == 0)
        return true;
    const unsigned char *p = (const unsigned char *)data, *end = p + len;
    for (; utf8->need > 0 && p < end; p++)
        if (!feed_byte(utf8, *p))
            return false;
    while (end - p >= LONGEST) {
        p = skip_ascii(p, end);
        /* Text that is not ASCII seldom has 16 ASCII bytes in a row: look again only later. */
        size_t stretch = (size_t)(end - p) < STRETCH ? (size_t)(end - p) : STRETCH;
        const unsigned char *pause = p + stretch;
        bool is_valid;
        p += utf8_blocks_check(p, stretch, &is_valid);
        if (!is_valid || !feed_characters(&p, pause, end))
            return false;
    }
    for (; p < end; p++)
        if (!feed_byte(utf8, *p))
            return false;
    return true;
}

bool utf8_is_valid(const char *data, size_t len) {
    struct utf8 utf8 = {0};
    return utf8_feed(&utf8, data, len) && utf8_is_complete(&utf8);
}
