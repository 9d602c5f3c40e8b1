/* SPDX-License-Identifier: MIT
 *
 * What transcripts cannot show of `text` and `frame`: size, memory, failing allocations, and
 * that a long unfinished message is not looked at again with every piece.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec_memory.h"
#include "frame.h"
#include "text.h"

#define MAX_MESSAGE ((size_t)10 << 20)

static size_t calls, failing_call, largest;

static void *watch(void *memory, size_t size) {
    calls++;
    largest = size > largest ? size : largest;
    return failing_call > 0 && calls >= failing_call ? NULL : realloc(memory, size);
}

static int start_watch(void **state) {
    (void)state;
    calls = failing_call = largest = 0;
    codec_memory_replace(watch);
    return 0;
}

static int end_watch(void **state) {
    (void)state;
    codec_memory_replace(NULL);
    return 0;
}

static void idle_costs_little(void **state) {
    (void)state;
    assert_true(sizeof(struct text_decoder) <= 16);
    assert_true(sizeof(struct frame_decoder) <= 16);
}

static enum codec_event_type next_text(struct text_decoder *decoder, char *data, size_t len,
                                       struct codec_event *event) {
    return text_decoder_next(decoder, MAX_MESSAGE, &data, &len, event);
}

static enum codec_event_type next_frame(struct frame_decoder *decoder, char *data, size_t len,
                                        struct codec_event *event) {
    return frame_decoder_next(decoder, MAX_MESSAGE, &data, &len, event);
}

static void line_without_memory(void **state) {
    (void)state;
    struct text_decoder decoder;
    struct codec_event event;
    char piece[600], end[] = "\n";
    memset(piece, 'x', sizeof(piece));
    for (failing_call = 1;; failing_call++) {
        calls = 0;
        text_decoder_init(&decoder);
        enum codec_event_type type = CODEC_NEED_MORE;
        for (int i = 0; i < 4 && type == CODEC_NEED_MORE; i++)
            type = next_text(&decoder, piece, sizeof(piece), &event);
        if (type == CODEC_NEED_MORE)
            type = next_text(&decoder, end, 1, &event);
        if (type == CODEC_MESSAGE)
            break;
        assert_int_equal(type, CODEC_ERROR);
        assert_int_equal(event.error, CODEC_NO_MEMORY);
        assert_int_equal(next_text(&decoder, end, 1, &event), CODEC_ERROR);
        text_decoder_done(&decoder);
    }
    assert_int_equal(event.len, 4 * sizeof(piece));
    assert_true(failing_call >= 3);
    text_decoder_done(&decoder);
}

static void frame_without_memory(void **state) {
    (void)state;
    struct frame_decoder decoder;
    struct codec_event event;
    char input[4 + 2000] = {0, 0, 0x07, (char)0xd4};
    for (failing_call = 1;; failing_call++) {
        calls = 0;
        frame_decoder_init(&decoder);
        enum codec_event_type type = CODEC_NEED_MORE;
        for (size_t i = 0; i < sizeof(input) && type == CODEC_NEED_MORE; i++)
            type = next_frame(&decoder, input + i, 1, &event);
        if (type == CODEC_MESSAGE)
            break;
        assert_int_equal(type, CODEC_ERROR);
        assert_int_equal(event.error, CODEC_NO_MEMORY);
        frame_decoder_done(&decoder);
    }
    assert_int_equal(event.len, 2000);
    assert_true(failing_call >= 2);
    frame_decoder_done(&decoder);
}

static void announced_length_is_not_allocated(void **state) {
    (void)state;
    struct frame_decoder decoder;
    struct codec_event event;
    char input[] = "\x00\x90\x00\x00little";
    frame_decoder_init(&decoder);
    assert_int_equal(next_frame(&decoder, input, sizeof(input) - 1, &event), CODEC_NEED_MORE);
    assert_true(largest < 2048);
    frame_decoder_done(&decoder);
}

/* Growing by doubling: eight megabytes a byte at a time in a few dozen allocations. */
static void long_lines_grow_by_doubling(void **state) {
    (void)state;
    struct text_decoder decoder;
    struct codec_event event;
    char byte = 'x', end = '\n';
    text_decoder_init(&decoder);
    for (size_t i = 0; i < (size_t)8 << 20; i++)
        if (next_text(&decoder, &byte, 1, &event) != CODEC_NEED_MORE)
            fail();
    assert_int_equal(next_text(&decoder, &end, 1, &event), CODEC_MESSAGE);
    assert_int_equal(event.len, (size_t)8 << 20);
    assert_true(calls < 40);
    assert_int_equal(next_text(&decoder, &end, 1, &event), CODEC_MESSAGE);
    assert_null(decoder.line); /* given back as soon as it was read */
    text_decoder_done(&decoder);
}

#define WATCHED(test) cmocka_unit_test_setup_teardown(test, start_watch, end_watch)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_costs_little),  WATCHED(line_without_memory),
        WATCHED(frame_without_memory),        WATCHED(announced_length_is_not_allocated),
        WATCHED(long_lines_grow_by_doubling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
