/* SPDX-License-Identifier: MIT
 *
 * Plays `text` and `frame`. Lines: message "…", error malformed, error too-big.
 */
#include <stdlib.h>

#include "frame.h"
#include "player.h"
#include "text.h"

struct play {
    struct text_decoder text;
    struct frame_decoder frame;
    size_t max_message;
    bool is_over;
};

static void *open_play(const struct settings *settings) {
    struct play *play = calloc(1, sizeof(*play));
    if (!play)
        abort();
    text_decoder_init(&play->text);
    frame_decoder_init(&play->frame);
    play->max_message = settings_number(settings, "max_message", 1 << 20);
    return play;
}

static void close_play(void *state) {
    struct play *play = state;
    text_decoder_done(&play->text);
    frame_decoder_done(&play->frame);
    free(play);
}

/* False: nothing more comes of this input. */
static bool write_down(struct play *play, enum codec_event_type type,
                       const struct codec_event *event, struct bytes *log) {
    static const char *const names[] = {[CODEC_MALFORMED] = "malformed",
                                        [CODEC_TOO_BIG] = "too-big",
                                        [CODEC_NO_MEMORY] = "no-memory"};
    if (type == CODEC_MESSAGE) {
        bytes_print(log, "message ");
        bytes_quote(log, event->data, event->len);
        bytes_print(log, "\n");
        return true;
    }
    if (type == CODEC_ERROR) {
        bytes_print(log, "error %s\n", names[event->error]);
        play->is_over = true;
    }
    return false;
}

static void feed_text(void *state, char *data, size_t len, struct bytes *log) {
    struct play *play = state;
    struct codec_event event;
    while (!play->is_over &&
           write_down(play,
                      text_decoder_next(&play->text, play->max_message, &data, &len, &event),
                      &event, log))
        continue;
}

static void feed_frame(void *state, char *data, size_t len, struct bytes *log) {
    struct play *play = state;
    struct codec_event event;
    while (!play->is_over &&
           write_down(play,
                      frame_decoder_next(&play->frame, play->max_message, &data, &len, &event),
                      &event, log))
        continue;
}

const struct player player_text = {
    .codec = "text", .open = open_play, .feed = feed_text, .close = close_play};
const struct player player_frame = {
    .codec = "frame", .open = open_play, .feed = feed_frame, .close = close_play};
