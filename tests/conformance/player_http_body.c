/* SPDX-License-Identifier: MIT
 *
 * Plays requests with bodies, one behind the other. Lines: request "GET" "/", data "…" (all of
 * it, up to the next line), trailer "name" "value", end; refuse 400 ends it.
 */
#include <stdlib.h>
#include <string.h>

#include "http_body.h"
#include "player.h"

#define FIELDS 100

struct body_play {
    struct bytes input, data;
    size_t scanned;
    struct http_limits head_limits;
    struct http_body_limits limits;
    struct http_body body;
    bool is_over, in_body;
};

static void *body_open(const struct settings *settings) {
    struct body_play *play = calloc(1, sizeof(*play));
    if (!play)
        abort();
    play->head_limits = (struct http_limits){.head_size = 16384, .fields = FIELDS};
    play->limits.max_body = settings_number(settings, "max_message", 1 << 20);
    play->limits.overhead = settings_number(settings, "head_size", 16384);
    return play;
}

static void body_close(void *state) {
    struct body_play *play = state;
    http_body_done(&play->body);
    bytes_done(&play->input);
    bytes_done(&play->data);
    free(play);
}

static void write_data(struct body_play *play, struct bytes *log) {
    if (play->data.len == 0)
        return;
    bytes_print(log, "data ");
    bytes_quote(log, play->data.data, play->data.len);
    bytes_print(log, "\n");
    play->data.len = 0;
}

static void refuse(struct body_play *play, int status, struct bytes *log) {
    write_data(play, log);
    bytes_print(log, "refuse %d\n", status);
    play->is_over = true;
}

static void quote(struct bytes *log, const char *before, struct http_slice slice) {
    bytes_print(log, "%s", before);
    bytes_quote(log, slice.data, slice.len);
}

/* The head at the front of the input. False: it is not there. */
static bool take_head(struct body_play *play, struct bytes *log) {
    struct http_field fields[FIELDS];
    struct http_head head = {.fields = fields, .capacity = FIELDS};
    int size = http_head_parse(play->input.data, play->input.len, &play->scanned,
                               &play->head_limits, &head);
    if (size < 0)
        refuse(play, -size, log);
    if (size <= 0)
        return false;
    quote(log, "request ", head.method);
    quote(log, " ", head.target);
    bytes_print(log, "\n");
    http_body_init(&play->body, &head);
    play->in_body = true;
    play->scanned = 0;
    memmove(play->input.data, play->input.data + size, play->input.len - (size_t)size);
    play->input.len -= (size_t)size;
    return true;
}

static void write_event(struct body_play *play, const struct http_body_event *event,
                        struct bytes *log) {
    if (event->type == HTTP_BODY_DATA) {
        bytes_add(&play->data, event->data, event->len);
        return;
    }
    write_data(play, log);
    if (event->type == HTTP_BODY_TRAILER) {
        quote(log, "trailer ", event->trailer.name);
        quote(log, " ", event->trailer.value);
        bytes_print(log, "\n");
    } else if (event->type == HTTP_BODY_END) {
        bytes_print(log, "end\n");
        http_body_done(&play->body);
        play->in_body = false;
    } else {
        refuse(play, event->status, log);
    }
}

/* The body at the front of the input, in memory of its exact size. */
static void take_body(struct body_play *play, struct bytes *log) {
    char *exact = malloc(play->input.len + 1);
    if (!exact)
        abort();
    if (play->input.len > 0)
        memcpy(exact, play->input.data, play->input.len);
    char *data = exact;
    size_t len = play->input.len;
    struct http_body_event event;
    while (play->in_body && !play->is_over &&
           http_body_next(&play->body, &play->limits, &data, &len, &event) !=
               HTTP_BODY_NEED_MORE)
        write_event(play, &event, log);
    memcpy(play->input.data, data, len);
    play->input.len = len;
    free(exact);
}

static void body_feed(void *state, char *data, size_t len, struct bytes *log) {
    struct body_play *play = state;
    bytes_add(&play->input, data, len);
    while (!play->is_over) {
        if (play->in_body)
            take_body(play, log);
        if (play->in_body || play->is_over || play->input.len == 0 || !take_head(play, log))
            return;
    }
}

static void body_end(void *state, struct bytes *log) {
    write_data(state, log);
}

const struct player player_http_body = {.codec = "http_body",
                                        .open = body_open,
                                        .feed = body_feed,
                                        .end = body_end,
                                        .close = body_close};
