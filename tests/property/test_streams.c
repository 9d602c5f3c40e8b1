/* SPDX-License-Identifier: MIT
 *
 * What is encoded is decoded again: random messages, cut into random fragments with control
 * frames between them, lines and length-framed messages, over a network that cuts at random.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "player.h"
#include "ws_frame.h"

#define RUNS     100
#define MESSAGES 12

static uint32_t seed;

static uint32_t pick(uint32_t below) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

/* Mostly short, now and then around the places where the length changes its form. */
static size_t pick_length(void) {
    static const size_t around[] = {125, 126, 127, 65535, 65536, 65537, 200000};
    if (pick(8) == 0)
        return around[pick(7)];
    return pick(2) ? pick(20) : pick(2000);
}

static void make_payload(struct bytes *out, size_t len, bool is_text) {
    static const char *const alphabet[] = {"a", "Z", "\xc3\xa9", "\xe2\x82\xac",
                                           "\xf0\x9f\x98\x80"};
    bytes_add(out, "", 0);
    uint32_t kinds = 1 + pick(5);
    while (out->len < len) {
        char byte = (char)pick(256);
        const char *piece = alphabet[pick(kinds)];
        if (is_text)
            bytes_add(out, piece, strlen(piece));
        else
            bytes_add(out, &byte, 1);
    }
}

static void add_frame(struct bytes *stream, unsigned first, const char *data, size_t len) {
    unsigned char header[WS_HEADER_MAX];
    size_t size = ws_encode_header(header, first, len);
    header[1] |= 0x80;
    uint32_t mask = pick(1u << 24) * 2654435761u;
    bytes_add(stream, header, size);
    bytes_add(stream, &mask, 4);
    bytes_add(stream, data, len);
    ws_mask(stream->data + stream->len - len, len, mask, 0);
}

static void add_line(struct bytes *log, const char *what, const char *data, size_t len) {
    bytes_print(log, "%s ", what);
    bytes_quote(log, data, len);
    bytes_print(log, "\n");
}

static void add_control(struct bytes *stream, struct bytes *log) {
    struct bytes payload = {0};
    make_payload(&payload, pick(126), false);
    bool is_ping = pick(2);
    add_frame(stream, is_ping ? 0x89 : 0x8a, payload.data, payload.len);
    add_line(log, is_ping ? "ping" : "pong", payload.data, payload.len);
    bytes_done(&payload);
}

static void add_ws_message(struct bytes *stream, struct bytes *log) {
    struct bytes payload = {0};
    bool is_text = pick(2);
    make_payload(&payload, pick_length(), is_text);
    size_t done = 0;
    unsigned opcode = is_text ? 1 : 2;
    while (pick(3) == 0) {
        size_t piece = pick((uint32_t)(payload.len - done + 1));
        add_frame(stream, opcode, payload.data + done, piece);
        done += piece;
        opcode = 0;
        if (pick(3) == 0)
            add_control(stream, log);
    }
    add_frame(stream, 0x80 | opcode, payload.data + done, payload.len - done);
    add_line(log, is_text ? "text" : "binary", payload.data, payload.len);
    bytes_done(&payload);
}

static void add_text_message(struct bytes *stream, struct bytes *log) {
    struct bytes payload = {0};
    make_payload(&payload, pick_length(), false);
    for (size_t i = 0; i < payload.len; i++)
        if (payload.data[i] == '\n' || payload.data[i] == '\r')
            payload.data[i] = 'n';
    bytes_add(stream, payload.data, payload.len);
    bytes_print(stream, pick(2) ? "\n" : "\r\n");
    add_line(log, "message", payload.data, payload.len);
    bytes_done(&payload);
}

static void add_frame_message(struct bytes *stream, struct bytes *log) {
    struct bytes payload = {0};
    make_payload(&payload, pick_length(), false);
    size_t total = payload.len + 4;
    unsigned char header[] = {(unsigned char)(total >> 24), (unsigned char)(total >> 16),
                              (unsigned char)(total >> 8), (unsigned char)total};
    bytes_add(stream, header, sizeof(header));
    bytes_add(stream, payload.data, payload.len);
    add_line(log, "message", payload.data, payload.len);
    bytes_done(&payload);
}

static bool comes_back(const char *codec, void (*add)(struct bytes *, struct bytes *)) {
    struct bytes stream = {0}, expected = {0}, log = {0};
    struct settings settings = {0};
    settings_put(&settings, "direct", pick(2) ? "1" : "0");
    for (uint32_t i = 1 + pick(MESSAGES); i > 0; i--)
        add(&stream, &expected);
    uint32_t sizes[] = {7, 100, 3000, 70000};
    struct cutting cutting = {.size = sizes[pick(4)], .seed = 1 + pick(1000000)};
    player_run(player_find(codec), &settings, stream.data, stream.len, cutting, &log);
    bool is_same = log.len == expected.len && memcmp(log.data, expected.data, log.len) == 0;
    bytes_done(&stream);
    bytes_done(&expected);
    bytes_done(&log);
    return is_same;
}

int main(void) {
    size_t failed = 0;
    for (uint32_t run = 1; run <= RUNS; run++) {
        seed = run * 7919;
        bool is_good = comes_back("ws", add_ws_message) &&
                       comes_back("text", add_text_message) &&
                       comes_back("frame", add_frame_message);
        if (!is_good)
            printf("run %u differs\n", run);
        failed += !is_good;
    }
    printf("%d runs, %zu failed\n", RUNS, failed);
    return failed > 0;
}
