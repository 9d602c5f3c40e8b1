/* SPDX-License-Identifier: MIT
 *
 * Players make all decoders look alike to the tests: bytes go in, piece by piece, lines of text
 * come out, one an event. Two runs did the same if their lines are the same. Each piece is
 * handed over in memory of exactly its size, so that a sanitizer sees every byte read beyond
 * it, and every pointer kept into it.
 */
#ifndef CREWMAN_TESTS_PLAYER_H
#define CREWMAN_TESTS_PLAYER_H

#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"

#define SETTINGS_MAX 16

struct settings {
    size_t count;
    struct {
        char key[32];
        char value[96];
    } list[SETTINGS_MAX];
};

/* A number, or a text, that the case has set; otherwise the second argument. */
size_t settings_number(const struct settings *settings, const char *key, size_t otherwise);
const char *settings_text(const struct settings *settings, const char *key,
                          const char *otherwise);
void settings_put(struct settings *settings, const char *key, const char *value);

struct player {
    const char *codec;
    void *(*open)(const struct settings *settings);
    /* Consume the piece and write down what it made. The memory is gone afterwards. */
    void (*feed)(void *state, char *data, size_t len, struct bytes *log);
    void (*end)(void *state,
                struct bytes *log); /* no more input will come; NULL: means nothing */
    void (*close)(void *state);
};

/* NULL: no such codec. */
const struct player *player_find(const char *codec);

/* Where to cut: pieces of `size` bytes; or, with a seed, of random sizes below `size`; or two
 * pieces, the first of `first` bytes. */
struct cutting {
    size_t size;
    unsigned seed;
    size_t first;
};

void player_run(const struct player *player, const struct settings *settings, const char *data,
                size_t len, struct cutting cutting, struct bytes *out_log);

extern const struct player player_ws, player_text, player_frame, player_http_head,
    player_http_body, player_multipart, player_proxy;

#endif
