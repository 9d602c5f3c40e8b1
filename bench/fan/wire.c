/* SPDX-License-Identifier: MIT
 *
 * See wire.h.
 */
#include "wire.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARKER_LEN 12u /* "FAN:" and eight hex digits */

struct output {
    char *data;
    size_t len, room;
    bool is_over;
};

void wire_make_message(char *out, unsigned size, unsigned round) {
    static const char filler[] =
        " {'user':'anna','text':'the quick brown fox jumps over it','n':17}";
    snprintf(out, size + 1, "FAN:%08x", round);
    for (unsigned i = MARKER_LEN; i < size; i++)
        out[i] = filler[(i - MARKER_LEN) % (sizeof(filler) - 1)];
    out[size] = '\0';
}

static void put(struct output *output, const char *data, size_t len) {
    if (len >= output->room - output->len) {
        output->is_over = true;
        return;
    }
    memcpy(output->data + output->len, data, len);
    output->len += len;
}

static void put_number(struct output *output, const char *format, unsigned value) {
    char text[24];
    int len = snprintf(text, sizeof(text), format, value);
    put(output, text, (size_t)len);
}

static void put_word(struct output *output, char name, const struct wire_words *words) {
    if (name == 'r')
        put_number(output, "%06u", words->room);
    else if (name == 'i')
        put_number(output, "%06u", words->subscriber);
    else if (name == 'm')
        put(output, words->message, strlen(words->message));
    else if (name == 'l')
        put_number(output, "%u", (unsigned)strlen(words->message));
    else
        put(output, &name, 1);
}

/* What stands behind a backslash; answers how many characters that was. */
static size_t put_escape(struct output *output, const char *text) {
    char digits[3] = "", byte = text[0] == 'r' ? '\r' : text[0] == 'n' ? '\n' : text[0];
    size_t used = 1;
    if (text[0] == 'x' && text[1] && text[2]) {
        memcpy(digits, text + 1, 2);
        byte = (char)strtoul(digits, NULL, 16);
        used = 3;
    }
    put(output, &byte, 1);
    return used;
}

size_t wire_expand(const char *template, const struct wire_words *words, char *out,
                   size_t room) {
    struct output output = {.data = out, .room = room};
    for (const char *at = template; *at;) {
        if (at[0] == '%' && at[1]) {
            put_word(&output, at[1], words);
            at += 2;
        } else if (at[0] == '\\' && at[1]) {
            at += 1 + put_escape(&output, at + 1);
        } else {
            put(&output, at++, 1);
        }
    }
    out[output.len] = '\0';
    return output.is_over ? 0 : output.len;
}

size_t wire_frame(int opcode, const char *data, size_t len, char *out) {
    static const uint8_t mask[4] = {0x11, 0x22, 0x33, 0x44};
    uint8_t *at = (uint8_t *)out;
    *at++ = (uint8_t)(0x80 | opcode);
    if (len < 126) {
        *at++ = (uint8_t)(0x80 | len);
    } else {
        *at++ = 0x80 | 126;
        *at++ = (uint8_t)(len >> 8);
        *at++ = (uint8_t)len;
    }
    memcpy(at, mask, sizeof(mask));
    at += sizeof(mask);
    for (size_t i = 0; i < len; i++)
        at[i] = (uint8_t)data[i] ^ mask[i & 3];
    return (size_t)(at - (uint8_t *)out) + len;
}

const char *wire_find_marker(const char *data, size_t len, unsigned *out_round) {
    const char *at = memmem(data, len, "FAN:", 4);
    char digits[9] = "";
    if (!at || (size_t)(data + len - at) < MARKER_LEN)
        return NULL;
    memcpy(digits, at + 4, 8);
    *out_round = (unsigned)strtoul(digits, NULL, 16);
    return at + MARKER_LEN;
}

size_t wire_marker_rest(size_t len) {
    return len < MARKER_LEN ? len : MARKER_LEN - 1;
}
