/* SPDX-License-Identifier: MIT
 *
 * The players' table, their settings, and the cutting of input: see player.h.
 */
#include "player.h"

#include <stdlib.h>
#include <string.h>

static const struct player *const players[] = {
    &player_ws,        &player_text,      &player_frame, &player_http_head,
    &player_http_body, &player_multipart, &player_proxy,
};

const struct player *player_find(const char *codec) {
    for (size_t i = 0; i < sizeof(players) / sizeof(players[0]); i++)
        if (strcmp(players[i]->codec, codec) == 0)
            return players[i];
    return NULL;
}

const char *settings_text(const struct settings *settings, const char *key,
                          const char *otherwise) {
    for (size_t i = settings->count; i-- > 0;)
        if (strcmp(settings->list[i].key, key) == 0)
            return settings->list[i].value;
    return otherwise;
}

size_t settings_number(const struct settings *settings, const char *key, size_t otherwise) {
    const char *text = settings_text(settings, key, NULL);
    return text ? strtoul(text, NULL, 10) : otherwise;
}

void settings_put(struct settings *settings, const char *key, const char *value) {
    if (settings->count == SETTINGS_MAX || strlen(key) >= sizeof(settings->list[0].key) ||
        strlen(value) >= sizeof(settings->list[0].value))
        abort();
    memcpy(settings->list[settings->count].key, key, strlen(key) + 1);
    memcpy(settings->list[settings->count].value, value, strlen(value) + 1);
    settings->count++;
}

static size_t next_piece(struct cutting *cutting, size_t done, size_t left) {
    size_t piece = left;
    if (cutting->size > 0 && cutting->seed > 0) {
        cutting->seed = cutting->seed * 1103515245u + 12345u;
        piece = 1 + (cutting->seed >> 16) % cutting->size;
    } else if (cutting->size > 0) {
        piece = cutting->size;
    } else if (done == 0 && cutting->first > 0) {
        piece = cutting->first;
    }
    return piece < left ? piece : left;
}

static void feed_copy(const struct player *player, void *state, const char *data, size_t len,
                      struct bytes *log) {
    char *copy = malloc(len);
    if (!copy)
        abort();
    memcpy(copy, data, len);
    player->feed(state, copy, len, log);
    free(copy);
}

void player_run(const struct player *player, const struct settings *settings, const char *data,
                size_t len, struct cutting cutting, struct bytes *out_log) {
    void *state = player->open(settings);
    if (!state)
        abort();
    bytes_add(out_log, "", 0);
    for (size_t done = 0; done < len;) {
        size_t piece = next_piece(&cutting, done, len - done);
        feed_copy(player, state, data + done, piece, out_log);
        done += piece;
    }
    if (player->end)
        player->end(state, out_log);
    player->close(state);
}
