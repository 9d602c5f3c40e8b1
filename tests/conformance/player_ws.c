/* SPDX-License-Identifier: MIT
 *
 * Plays a WebSocket stream. Lines: text "…", binary "…", ping "…", pong "…", close 1000 "…",
 * error 1002.
 */
#include <stdlib.h>
#include <string.h>

#include "deflate.h"
#include "player.h"
#include "ws_frame.h"

struct ws_play {
    struct ws_decoder decoder;
    struct ws_limits limits;
    bool is_over, is_direct;
};

static void *ws_open(const struct settings *settings) {
    struct ws_play *play = calloc(1, sizeof(*play));
    if (!play)
        abort();
    ws_decoder_init(&play->decoder);
    play->limits.max_message = settings_number(settings, "max_message", 1 << 20);
    size_t bits = settings_number(settings, "deflate_bits", 0);
    if (bits > 0)
        ws_decoder_allow_deflate(&play->decoder, (int)bits,
                                 settings_number(settings, "keeps_context", 1) != 0);
    if (settings_number(settings, "shared", 0) != 0)
        play->limits.shared_inflater = deflate_inflater_new(DEFLATE_BITS_MAX);
    play->is_direct = settings_number(settings, "direct", 0) != 0;
    return play;
}

static void ws_close(void *state) {
    struct ws_play *play = state;
    ws_decoder_done(&play->decoder);
    deflate_inflater_free(play->limits.shared_inflater);
    free(play);
}

static void write_down(const struct ws_event *event, struct bytes *log) {
    static const char *const names[] = {
        [WS_PING] = "ping", [WS_PONG] = "pong", [WS_CLOSE] = "close", [WS_ERROR] = "error"};
    if (event->type == WS_MESSAGE)
        bytes_print(log, event->is_text ? "text" : "binary");
    else
        bytes_print(log, "%s", names[event->type]);
    if (event->type == WS_CLOSE || event->type == WS_ERROR)
        bytes_print(log, " %d", event->code);
    if (event->type != WS_ERROR) {
        bytes_print(log, " ");
        bytes_quote(log, event->data, event->len);
    }
    bytes_print(log, "\n");
}

static void drain(struct ws_play *play, char **data, size_t *len, struct bytes *log) {
    struct ws_event event;
    while (!play->is_over &&
           ws_decoder_next(&play->decoder, &play->limits, data, len, &event) != WS_NEED_MORE) {
        write_down(&event, log);
        play->is_over = event.type == WS_CLOSE || event.type == WS_ERROR;
    }
    if (!play->is_over && *len != 0)
        bytes_print(log, "left %zu bytes\n", *len);
}

static void ws_feed(void *state, char *data, size_t len, struct bytes *log) {
    struct ws_play *play = state;
    char *room = NULL;
    size_t size;
    while (play->is_direct && !play->is_over && len > 0 &&
           (size = ws_decoder_want(&play->decoder, &room)) > 0) {
        if (size > len)
            size = len;
        char *piece = room ? NULL : data;
        size_t piece_len = room ? 0 : size;
        if (room) {
            memcpy(room, data, size);
            ws_decoder_filled(&play->decoder, size);
        }
        data += size;
        len -= size;
        drain(play, &piece, &piece_len, log);
        room = NULL;
    }
    if (len > 0)
        drain(play, &data, &len, log);
}

const struct player player_ws = {
    .codec = "ws", .open = ws_open, .feed = ws_feed, .close = ws_close};
