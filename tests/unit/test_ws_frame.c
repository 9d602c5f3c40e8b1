/* SPDX-License-Identifier: MIT
 *
 * What transcripts cannot show of the WebSocket codec: encoding, masking, the memory that a
 * connection costs, receiving straight into a message, and what happens when memory ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec_memory.h"
#include "ws_frame.h"

static void headers_are_shortest(void **state) {
    (void)state;
    static const struct {
        uint64_t len;
        size_t size;
        unsigned char bytes[10];
    } cases[] = {
        {0, 2, {0x81, 0}},
        {125, 2, {0x81, 125}},
        {126, 4, {0x81, 126, 0, 126}},
        {65535, 4, {0x81, 126, 255, 255}},
        {65536, 10, {0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
        {0x0102030405060708, 10, {0x81, 127, 1, 2, 3, 4, 5, 6, 7, 8}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned char out[WS_HEADER_MAX];
        assert_int_equal(ws_encode_header(out, 0x81, cases[i].len), cases[i].size);
        assert_memory_equal(out, cases[i].bytes, cases[i].size);
    }
}

static void close_frames(void **state) {
    (void)state;
    char out[WS_CLOSE_MAX];
    assert_int_equal(ws_encode_close(out, 1000, "bye", 3), 7);
    assert_memory_equal(out,
                        "\x88\x05\x03\xe8"
                        "bye",
                        7);
    assert_int_equal(ws_encode_close(out, 0, "unsaid", 6), 2);
    assert_memory_equal(out, "\x88\x00", 2);
    assert_int_equal(ws_encode_close(out, 1005, NULL, 0), 2);
    assert_int_equal(ws_encode_close(out, 1006, NULL, 0), 2);
    assert_int_equal(ws_encode_close(out, 70000, NULL, 0), 2);
    assert_int_equal(ws_encode_close(out, 4999, NULL, 0), 4);
    assert_int_equal(ws_encode_close(out, 1000, "\xff", 1), 4);
}

static void long_reason_is_cut_between_characters(void **state) {
    (void)state;
    char reason[200], out[WS_CLOSE_MAX];
    memset(reason, 'x', sizeof(reason));
    assert_int_equal(ws_encode_close(out, 1000, reason, sizeof(reason)), 127);
    assert_int_equal(out[1], 125);
    memcpy(reason + 121, "\xe2\x82\xac", 3); /* bytes 121 to 123: does not fit */
    assert_int_equal(ws_encode_close(out, 1000, reason, sizeof(reason)), 4 + 121);
    memcpy(reason + 120, "\xe2\x82\xac", 3); /* ends with byte 122: fits */
    reason[123] = 'x';
    assert_int_equal(ws_encode_close(out, 1000, reason, sizeof(reason)), 127);
}

static void sendable_codes(void **state) {
    (void)state;
    for (int code = -10; code < 70000; code++) {
        bool is_reserved = code == 1004 || code == 1005 || code == 1006;
        bool is_known = code >= 1000 && code <= 1014 && !is_reserved;
        assert_int_equal(ws_close_code_is_sendable(code),
                         is_known || (code >= 3000 && code <= 4999));
    }
}

static void masking_equals_the_naive_way(void **state) {
    (void)state;
    const unsigned char key[4] = {0x12, 0x34, 0x56, 0x78};
    uint32_t mask;
    memcpy(&mask, key, 4);
    for (size_t len = 0; len < 400; len++)
        for (size_t offset = 0; offset < 9; offset++) {
            unsigned char block[420], expected[420];
            for (size_t i = 0; i < sizeof(block); i++)
                block[i] = expected[i] = (unsigned char)(i * 7);
            for (size_t i = 0; i < len; i++)
                expected[i + 3] ^= key[(offset + i) % 4];
            ws_mask((char *)block + 3, len, mask, offset);
            assert_memory_equal(block, expected, sizeof(block)); /* and nothing beside it */
        }
}

/* One byte at each place, in each length, is enough. */
static void masking_tells_whether_it_made_ascii(void **state) {
    (void)state;
    const uint32_t mask = 0x8f12a5c3;
    char block[300];
    for (size_t len = 0; len <= sizeof(block); len++)
        for (size_t at = 0; at <= len; at++) {
            memset(block, 'a', len);
            if (at < len)
                block[at] = (char)0x80;
            ws_mask(block, len, mask, 0);
            assert_int_equal(ws_mask(block, len, mask, 0), at == len);
        }
}

/* A client's frame, masked with 1, 2, 3, 4. Answers its size. */
static size_t make_frame(unsigned char *out, unsigned first, const char *payload, size_t len) {
    static const unsigned char key[4] = {1, 2, 3, 4};
    size_t size = ws_encode_header(out, first, len);
    out[1] |= 0x80;
    memcpy(out + size, key, 4);
    size += 4;
    if (len > 0)
        memcpy(out + size, payload, len);
    uint32_t mask;
    memcpy(&mask, key, 4);
    ws_mask((char *)out + size, len, mask, 0);
    return size + len;
}

static const struct ws_limits limits = {.max_message = 10 << 20};

static size_t allocated_total, largest, calls, failing_call;

static void *watch(void *memory, size_t size) {
    calls++;
    if (failing_call > 0 && calls >= failing_call)
        return NULL;
    allocated_total += size;
    if (size > largest)
        largest = size;
    return realloc(memory, size);
}

static int start_watch(void **state) {
    (void)state;
    allocated_total = largest = calls = failing_call = 0;
    codec_memory_replace(watch);
    return 0;
}

static int end_watch(void **state) {
    (void)state;
    codec_memory_replace(NULL);
    return 0;
}

static void idle_costs_nothing_but_the_struct(void **state) {
    (void)state;
    assert_true(sizeof(struct ws_decoder) <= 24);
    struct ws_decoder decoder;
    ws_decoder_init(&decoder);
    unsigned char frame[64];
    size_t size = make_frame(frame, 0x81, "hello", 5);
    struct ws_event event;
    for (size_t i = 0; i < size; i++) {
        char byte = (char)frame[i];
        char *data = &byte;
        size_t len = 1;
        enum ws_event_type type = ws_decoder_next(&decoder, &limits, &data, &len, &event);
        assert_int_equal(type, i + 1 == size ? WS_MESSAGE : WS_NEED_MORE);
    }
    char *none = NULL;
    size_t nothing = 0;
    assert_memory_equal(event.data, "hello", 5);
    assert_int_equal(ws_decoder_next(&decoder, &limits, &none, &nothing, &event), WS_NEED_MORE);
    assert_null(decoder.partial);
    ws_decoder_done(&decoder);
}

static void whole_messages_stay_where_they_are(void **state) {
    (void)state;
    struct ws_decoder decoder;
    ws_decoder_init(&decoder);
    unsigned char frames[300];
    size_t size = make_frame(frames, 0x81, "first", 5);
    size += make_frame(frames + size, 0x89, "ping", 4);
    size += make_frame(frames + size, 0x82, "second", 6);
    char *data = (char *)frames;
    struct ws_event event;
    assert_int_equal(ws_decoder_next(&decoder, &limits, &data, &size, &event), WS_MESSAGE);
    assert_ptr_equal(event.data, frames + 6);
    assert_ptr_equal(data, frames + 11); /* nothing behind it was touched */
    assert_int_equal(data[0] & 0xff, 0x89);
    assert_int_equal(ws_decoder_next(&decoder, &limits, &data, &size, &event), WS_PING);
    assert_int_equal(ws_decoder_next(&decoder, &limits, &data, &size, &event), WS_MESSAGE);
    assert_false(event.is_text);
    assert_int_equal(size, 0);
    assert_int_equal(calls, 0);
    ws_decoder_done(&decoder);
}

static void announced_length_is_not_allocated(void **state) {
    (void)state;
    struct ws_decoder decoder;
    ws_decoder_init(&decoder);
    char header[] = "\x82\xff\0\0\0\0\0\x9f\xff\xff\1\2\3\4and a little";
    char *data = header;
    size_t len = sizeof(header) - 1;
    struct ws_event event;
    assert_int_equal(ws_decoder_next(&decoder, &limits, &data, &len, &event), WS_NEED_MORE);
    assert_true(largest < 2048);
    char *room;
    assert_int_equal(ws_decoder_want(&decoder, &room), 0);
    ws_decoder_done(&decoder);
}

static void fill(char *out, size_t len) {
    for (size_t i = 0; i < len; i++)
        out[i] = (char)('a' + i % 23);
}

/* A megabyte through ws_decoder_want(): the copies of growing stay within twice its size. */
static void long_messages_are_received_in_place(void **state) {
    (void)state;
    size_t len = 1 << 20;
    char *payload = malloc(len);
    unsigned char *frame = malloc(len + 14 + 3);
    assert_non_null(payload);
    assert_non_null(frame);
    fill(payload, len);
    size_t size = make_frame(frame, 0x81, payload, len);
    struct ws_decoder decoder;
    ws_decoder_init(&decoder);
    struct ws_event event = {.type = WS_NEED_MORE};
    size_t done = 0, direct = 0, needed = allocated_total;
    while (event.type != WS_MESSAGE) {
        char *room, *data = NULL;
        size_t left = size - done, rest = 0;
        size_t want = ws_decoder_want(&decoder, &room);
        if (want > 0) {
            assert_true(want >= 16384 && want <= left);
            memcpy(room, frame + done, want);
            ws_decoder_filled(&decoder, want);
            done += want;
            direct += want;
        } else {
            rest = left < 65536 ? left : 65536;
            data = (char *)frame + done;
            done += rest;
        }
        event.type = ws_decoder_next(&decoder, &limits, &data, &rest, &event);
    }
    assert_int_equal(done, size);
    assert_true(direct >= len * 8 / 10);
    assert_int_equal(event.len, len);
    assert_memory_equal(event.data, payload, len);
    assert_true(allocated_total - needed < 3 * len);
    assert_true(largest < len + 1024);
    ws_decoder_done(&decoder);
    free(payload);
    free(frame);
}

/* Takes one whole frame of `size` bytes; answers the event's data. */
static const char *receive_frame(struct ws_decoder *decoder, unsigned char *frame, size_t size,
                                 size_t *out_first) {
    struct ws_event event = {.type = WS_NEED_MORE};
    char *room = NULL, *data = (char *)frame;
    *out_first = ws_decoder_want(decoder, &room);
    assert_null(room);
    size_t done = *out_first ? *out_first : 65536, len = done;
    ws_decoder_next(decoder, &limits, &data, &len, &event);
    while (event.type != WS_MESSAGE) {
        size_t want = ws_decoder_want(decoder, &room);
        assert_true(room && want > 0);
        memcpy(room, frame + done, want);
        ws_decoder_filled(decoder, want);
        done += want;
        len = 0;
        ws_decoder_next(decoder, &limits, &data, &len, &event);
    }
    assert_int_equal(done, size);
    return event.data;
}

/* The second one is received in the memory of the first, and hardly copied. */
static void long_messages_share_their_memory(void **state) {
    (void)state;
    size_t len = 1 << 20, first;
    char *payload = malloc(len);
    unsigned char *frame = malloc(len + 14);
    assert_non_null(payload);
    assert_non_null(frame);
    fill(payload, len);
    struct ws_decoder decoder;
    ws_decoder_init(&decoder);
    size_t size = make_frame(frame, 0x82, payload, len);
    const char *before = receive_frame(&decoder, frame, size, &first);
    assert_int_equal(first, 0);
    size = make_frame(frame, 0x82, payload, len);
    const char *after = receive_frame(&decoder, frame, size, &first);
    assert_in_range(first, 16384, 65536);
    assert_ptr_equal(before, after);
    assert_memory_equal(after, payload, len);
    size = make_frame(frame, 0x82, payload, 100);
    char *data = (char *)frame;
    struct ws_event event;
    assert_int_equal(ws_decoder_next(&decoder, &limits, &data, &size, &event), WS_MESSAGE);
    assert_int_equal(ws_decoder_want(&decoder, &data), 0);
    ws_decoder_done(&decoder);
    free(payload);
    free(frame);
}

/* Every allocation on the way fails once, and for good: 1011, sticky, nothing leaks (the
 * sanitizer looks). Answers whether all went well without a failure. */
static bool play_with_failure(size_t failing) {
    unsigned char frames[4000];
    char payload[1000];
    fill(payload, sizeof(payload));
    size_t size = make_frame(frames, 0x01, payload, sizeof(payload));
    size += make_frame(frames + size, 0x89, payload, 50);
    size += make_frame(frames + size, 0x80, payload, sizeof(payload));
    struct ws_decoder decoder;
    struct ws_event event = {.type = WS_NEED_MORE};
    ws_decoder_init(&decoder);
    calls = 0;
    failing_call = failing;
    for (size_t i = 0; i < size && event.type != WS_ERROR; i++) {
        char *data = (char *)frames + i;
        size_t len = 1;
        ws_decoder_next(&decoder, &limits, &data, &len, &event);
    }
    bool is_error = event.type == WS_ERROR;
    if (is_error) {
        char *data = (char *)frames;
        assert_int_equal(event.code, WS_CODE_INTERNAL);
        assert_non_null(event.text);
        assert_int_equal(ws_decoder_next(&decoder, &limits, &data, &size, &event), WS_ERROR);
        assert_int_equal(event.code, WS_CODE_INTERNAL);
    } else {
        assert_int_equal(event.type, WS_MESSAGE);
    }
    ws_decoder_done(&decoder);
    return !is_error;
}

static void failed_allocations_are_reported(void **state) {
    (void)state;
    size_t failing = 1;
    while (!play_with_failure(failing))
        failing++;
    assert_true(failing >= 3);
}

static void errors_stay(void **state) {
    (void)state;
    struct ws_decoder decoder;
    ws_decoder_init(&decoder);
    unsigned char frame[64];
    size_t size = make_frame(frame, 0x83, "x", 1);
    for (int i = 0; i < 3; i++) {
        char *data = (char *)frame;
        struct ws_event event;
        assert_int_equal(ws_decoder_next(&decoder, &limits, &data, &size, &event), WS_ERROR);
        assert_int_equal(event.code, WS_CODE_PROTOCOL);
    }
    ws_decoder_done(&decoder);
}

#define WATCHED(test) cmocka_unit_test_setup_teardown(test, start_watch, end_watch)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_shortest),
        cmocka_unit_test(close_frames),
        cmocka_unit_test(long_reason_is_cut_between_characters),
        cmocka_unit_test(sendable_codes),
        cmocka_unit_test(masking_equals_the_naive_way),
        cmocka_unit_test(masking_tells_whether_it_made_ascii),
        WATCHED(idle_costs_nothing_but_the_struct),
        WATCHED(whole_messages_stay_where_they_are),
        WATCHED(announced_length_is_not_allocated),
        WATCHED(long_messages_are_received_in_place),
        cmocka_unit_test(long_messages_share_their_memory),
        WATCHED(failed_allocations_are_reported),
        cmocka_unit_test(errors_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
