/* SPDX-License-Identifier: MIT
 *
 * Plays request heads, one behind the other. Lines: request "GET" "/" 1.1, field "name"
 * "value", body none|chunked|N, then flags that are set (close, upgrade, continue,
 * expectation), and websocket, or websocket refused with a status; refuse 400 ends it.
 */
#include <stdlib.h>
#include <string.h>

#include "player.h"
#include "ws_handshake.h"

#define FIELDS 100

struct head_play {
    struct bytes input;
    size_t scanned;
    struct http_limits limits;
    bool is_over, is_handshake;
};

static void *head_open(const struct settings *settings) {
    struct head_play *play = calloc(1, sizeof(*play));
    if (!play)
        abort();
    play->limits.head_size = settings_number(settings, "head_size", 16384);
    play->limits.fields = settings_number(settings, "fields", FIELDS);
    play->is_handshake = settings_number(settings, "handshake", 0) != 0;
    return play;
}

static void head_close(void *state) {
    struct head_play *play = state;
    bytes_done(&play->input);
    free(play);
}

static void quote(struct bytes *log, const char *before, struct http_slice slice) {
    bytes_print(log, "%s ", before);
    bytes_quote(log, slice.data, slice.len);
}

static void write_handshake(const struct http_head *head, struct bytes *log) {
    struct http_slice key;
    const char *why = NULL;
    int status = ws_handshake_check(head, &key, &why);
    if (status != 0)
        bytes_print(log, "websocket refused %d\n", status);
    else
        quote(log, "websocket", key);
    if (status == 0)
        bytes_print(log, "\n");
    if ((status != 0) != (why != NULL))
        abort();
}

static void write_framing(const struct http_head *head, struct bytes *log) {
    if (head->is_chunked)
        bytes_print(log, "body chunked");
    else if (head->content_length < 0)
        bytes_print(log, "body none");
    else
        bytes_print(log, "body %lld", (long long)head->content_length);
    bytes_print(log, "%s%s%s%s\n", head->keep_alive ? "" : " close",
                head->wants_upgrade ? " upgrade" : "",
                head->expects_continue ? " continue" : "",
                head->has_other_expectation ? " expectation" : "");
}

static void write_head(struct head_play *play, const struct http_head *head,
                       struct bytes *log) {
    quote(log, "request", head->method);
    quote(log, "", head->target);
    bytes_print(log, " 1.%d\n", head->minor_version);
    for (size_t i = 0; i < head->count; i++) {
        quote(log, "field", head->fields[i].name);
        quote(log, "", head->fields[i].value);
        bytes_print(log, "\n");
    }
    write_framing(head, log);
    if (play->is_handshake)
        write_handshake(head, log);
}

static void head_feed(void *state, char *data, size_t len, struct bytes *log) {
    struct head_play *play = state;
    bytes_add(&play->input, data, len);
    while (!play->is_over && play->input.len > 0) {
        struct http_field fields[FIELDS];
        struct http_head head = {.fields = fields, .capacity = FIELDS};
        char *exact = malloc(play->input.len);
        if (!exact)
            abort();
        memcpy(exact, play->input.data, play->input.len);
        int size =
            http_head_parse(exact, play->input.len, &play->scanned, &play->limits, &head);
        if (size > 0)
            write_head(play, &head, log);
        free(exact);
        if (size < 0) {
            bytes_print(log, "refuse %d\n", -size);
            play->is_over = true;
        }
        if (size <= 0)
            return;
        memmove(play->input.data, play->input.data + size, play->input.len - (size_t)size);
        play->input.len -= (size_t)size;
        play->scanned = 0;
    }
}

const struct player player_http_head = {
    .codec = "http_head", .open = head_open, .feed = head_feed, .close = head_close};
