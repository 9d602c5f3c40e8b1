/* SPDX-License-Identifier: MIT
 *
 * Plays a body of multipart/form-data. Lines: part "name" "type", file "name" "file name"
 * "type", data "…" (all of it), part-end, end, error 400; incomplete, when the input ends
 * before.
 */
#include <stdlib.h>
#include <string.h>

#include "multipart.h"
#include "player.h"

struct parts_play {
    struct multipart multipart;
    struct multipart_limits limits;
    struct bytes data;
    bool is_over;
};

static void *parts_open(const struct settings *settings) {
    struct parts_play *play = calloc(1, sizeof(*play));
    const char *boundary = settings_text(settings, "boundary", "xx");
    if (!play || multipart_init(&play->multipart, boundary, strlen(boundary)) != 0)
        abort();
    play->limits.head_size = settings_number(settings, "head_size", 4096);
    play->limits.parts = settings_number(settings, "fields", 100);
    return play;
}

static void parts_close(void *state) {
    struct parts_play *play = state;
    multipart_done(&play->multipart);
    bytes_done(&play->data);
    free(play);
}

static void write_data(struct parts_play *play, struct bytes *log) {
    if (play->data.len == 0)
        return;
    bytes_print(log, "data ");
    bytes_quote(log, play->data.data, play->data.len);
    bytes_print(log, "\n");
    play->data.len = 0;
}

static void quote(struct bytes *log, struct http_slice slice) {
    bytes_print(log, " ");
    bytes_quote(log, slice.data, slice.len);
}

static void write_part(const struct multipart_event *event, struct bytes *log) {
    bytes_print(log, event->is_file ? "file" : "part");
    quote(log, event->name);
    if (event->is_file)
        quote(log, event->file_name);
    quote(log, event->content_type);
    bytes_print(log, "\n");
}

static void write_event(struct parts_play *play, const struct multipart_event *event,
                        struct bytes *log) {
    if (event->type == MULTIPART_DATA) {
        if (event->len == 0)
            abort();
        bytes_add(&play->data, event->data, event->len);
        return;
    }
    write_data(play, log);
    if (event->type == MULTIPART_PART)
        write_part(event, log);
    else if (event->type == MULTIPART_PART_END)
        bytes_print(log, "part-end\n");
    else if (event->type == MULTIPART_END)
        bytes_print(log, "end\n");
    else
        bytes_print(log, "error %d\n", event->status);
    play->is_over = event->type == MULTIPART_END || event->type == MULTIPART_ERROR;
}

static void parts_feed(void *state, char *data, size_t len, struct bytes *log) {
    struct parts_play *play = state;
    struct multipart_event event;
    const char *rest = data;
    while (!play->is_over && multipart_next(&play->multipart, &play->limits, &rest, &len,
                                            &event) != MULTIPART_NEED_MORE)
        write_event(play, &event, log);
}

static void parts_end(void *state, struct bytes *log) {
    struct parts_play *play = state;
    write_data(play, log);
    if (!multipart_is_complete(&play->multipart) && !play->is_over)
        bytes_print(log, "incomplete\n");
}

const struct player player_multipart = {.codec = "multipart",
                                        .open = parts_open,
                                        .feed = parts_feed,
                                        .end = parts_end,
                                        .close = parts_close};
