/* SPDX-License-Identifier: MIT
 *
 * permessage-deflate beyond the transcripts: negotiation of all four parameters, what the
 * compressor makes is what the decoder reads, memory is bounded and its end is reported.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec_memory.h"
#include "deflate.h"
#include "ws_extensions.h"
#include "ws_frame.h"

#define KEEP_ALL                                                                               \
    {                                                                                          \
        .server_keeps_context = true, .client_keeps_context = true, .server_bits = 15,         \
        .client_bits = 15                                                                      \
    }

static const struct ws_deflate_policy keep_all = KEEP_ALL;
static const struct ws_deflate_policy keep_nothing = {.server_bits = 12, .client_bits = 10};

static int negotiate(const char *value, const struct ws_deflate_policy *policy,
                     struct ws_deflate_terms *terms, char *out_response) {
    char request[600];
    int len =
        snprintf(request, sizeof(request),
                 "GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Extensions: %s\r\n\r\n", value);
    struct http_field fields[8];
    struct http_head head = {.fields = fields, .capacity = 8};
    struct http_limits limits = {.head_size = sizeof(request), .fields = 8};
    size_t scanned = 0;
    assert_int_equal(http_head_parse(request, (size_t)len, &scanned, &limits, &head), len);
    return ws_extensions_negotiate(&head, policy, terms, out_response);
}

static void offers(void **state) {
    (void)state;
    static const struct {
        const char *offer;
        const struct ws_deflate_policy *policy;
        const char *answer; /* "" none, NULL malformed */
    } cases[] = {
        {"permessage-deflate", &keep_all, "permessage-deflate"},
        {"Permessage-Deflate", &keep_all, "permessage-deflate"},
        {"x-webkit-deflate-frame", &keep_all, ""},
        {"foo; bar=1, permessage-deflate", &keep_all, "permessage-deflate"},
        {"permessage-deflate; client_max_window_bits", &keep_all, "permessage-deflate"},
        {"permessage-deflate", &keep_nothing,
         "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
         "server_max_window_bits=12"},
        {"permessage-deflate; client_max_window_bits", &keep_nothing,
         "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
         "server_max_window_bits=12; client_max_window_bits=10"},
        {"permessage-deflate; client_max_window_bits=9", &keep_nothing,
         "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
         "server_max_window_bits=12; client_max_window_bits=9"},
        {"permessage-deflate; server_max_window_bits=10", &keep_all,
         "permessage-deflate; server_max_window_bits=10"},
        {"permessage-deflate; server_max_window_bits=\"10\"", &keep_all,
         "permessage-deflate; server_max_window_bits=10"},
        {"permessage-deflate; server_max_window_bits=15", &keep_all,
         "permessage-deflate; server_max_window_bits=15"},
        {"permessage-deflate; server_no_context_takeover", &keep_all,
         "permessage-deflate; server_no_context_takeover"},
        {"permessage-deflate; client_no_context_takeover", &keep_all,
         "permessage-deflate; client_no_context_takeover"},
        {"permessage-deflate; client_max_window_bits=8", &keep_all,
         "permessage-deflate; client_max_window_bits=8"},
        /* 7.1.2.1: zlib has no window of 8 bits to compress with */
        {"permessage-deflate; server_max_window_bits=8", &keep_all, ""},
        {"permessage-deflate; server_max_window_bits=8, permessage-deflate", &keep_all,
         "permessage-deflate"},
        /* 7.1: offers that must be declined */
        {"permessage-deflate; server_max_window_bits", &keep_all, ""},
        {"permessage-deflate; server_max_window_bits=7", &keep_all, ""},
        {"permessage-deflate; server_max_window_bits=16", &keep_all, ""},
        {"permessage-deflate; server_max_window_bits=010", &keep_all, ""},
        {"permessage-deflate; client_max_window_bits=0", &keep_all, ""},
        {"permessage-deflate; server_no_context_takeover=1", &keep_all, ""},
        {"permessage-deflate; server_no_context_takeover; server_no_context_takeover",
         &keep_all, ""},
        {"permessage-deflate; client_max_window_bits; client_max_window_bits=9", &keep_all, ""},
        {"permessage-deflate; server_max_window_bits=9; server_max_window_bits=9", &keep_all,
         ""},
        {"permessage-deflate; unknown", &keep_all, ""},
        /* the first good offer counts */
        {"permessage-deflate; unknown, permessage-deflate; client_no_context_takeover, "
         "permessage-deflate",
         &keep_all, "permessage-deflate; client_no_context_takeover"},
        /* RFC 6455 9.1: malformed */
        {"permessage-deflate; =1", &keep_all, NULL},
        {"permessage-deflate; a=", &keep_all, NULL},
        {"permessage-deflate; a=\"b", &keep_all, NULL},
        {"permessage deflate", &keep_all, NULL},
        {"permessage-deflate, b c", &keep_all, NULL},
        {"; a", &keep_all, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char response[WS_EXTENSIONS_RESPONSE_MAX] = "";
        struct ws_deflate_terms terms;
        int len = negotiate(cases[i].offer, cases[i].policy, &terms, response);
        const char *answer = cases[i].answer;
        if (!answer ? len != -400
                    : len != (int)strlen(answer) || memcmp(response, answer, (size_t)len) != 0)
            fail_msg("%s: %d %.*s", cases[i].offer, len, len > 0 ? len : 0, response);
    }
}

static void terms_are_what_was_answered(void **state) {
    (void)state;
    char response[WS_EXTENSIONS_RESPONSE_MAX];
    struct ws_deflate_terms terms;
    negotiate("permessage-deflate; server_max_window_bits=10; client_max_window_bits=9",
              &keep_all, &terms, response);
    assert_true(terms.server_keeps_context && terms.client_keeps_context);
    assert_int_equal(terms.server_bits, 10);
    assert_int_equal(terms.client_bits, 9);
    negotiate("permessage-deflate", &keep_nothing, &terms, response);
    assert_false(terms.server_keeps_context || terms.client_keeps_context);
    assert_int_equal(terms.server_bits, 12);
    assert_int_equal(terms.client_bits, 15); /* the client did not say that it could do less */
}

static const struct ws_limits limits = {.max_message = 10 << 20};

static size_t make_frame(char *out, unsigned first, const char *payload, size_t len) {
    unsigned char header[WS_HEADER_MAX];
    size_t size = ws_encode_header(header, first, len);
    header[1] |= 0x80;
    memcpy(out, header, size);
    memset(out + size, 0, 4); /* a mask of zeros */
    memcpy(out + size + 4, payload, len);
    return size + 4 + len;
}

static size_t make_text(char *out, size_t size, unsigned number) {
    size_t len = 0;
    while (len + 40 < size)
        len += (size_t)snprintf(out + len, size - len, "{\"n\":%u,\"x\":\"%zu\"}", number,
                                len * len);
    return len;
}

/* Compress messages of growing length and read them back. Answers the compressed bytes. */
static size_t round_trip(int bits, bool keeps_context) {
    static char text[300000], frame[310000];
    struct deflate_compressor *compressor = deflate_compressor_new(bits, 6, 8, keeps_context);
    struct codec_buffer *out = NULL;
    struct ws_decoder decoder;
    size_t total = 0;
    assert_non_null(compressor);
    ws_decoder_init(&decoder);
    ws_decoder_allow_deflate(&decoder, bits, keeps_context);
    for (size_t size = 0; size < sizeof(text); size = size * 3 + 41) {
        size_t len = make_text(text, size, 7);
        if (out)
            out->len = 0;
        assert_int_equal(deflate_compress(compressor, text, len, &out), 0);
        total += out->len;
        char *data = frame;
        size_t left = make_frame(frame, 0xc1, out->data, out->len);
        struct ws_event event;
        assert_int_equal(ws_decoder_next(&decoder, &limits, &data, &left, &event), WS_MESSAGE);
        assert_int_equal(event.len, len);
        assert_memory_equal(event.data, text, len);
    }
    codec_buffer_free(&out);
    deflate_compressor_free(compressor);
    ws_decoder_done(&decoder);
    return total;
}

static void what_is_compressed_is_read(void **state) {
    (void)state;
    for (int bits = DEFLATE_BITS_MIN; bits <= DEFLATE_BITS_MAX; bits++)
        assert_true(round_trip(bits, true) <= round_trip(bits, false));
}

static void empty_messages(void **state) {
    (void)state;
    struct deflate_compressor *compressor = deflate_compressor_new(15, 6, 8, true);
    struct codec_buffer *out = NULL;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(deflate_compress(compressor, NULL, 0, &out), 0);
        assert_int_equal(out->len, i + 1);
        assert_int_equal(out->data[i], 0);
    }
    codec_buffer_free(&out);
    deflate_compressor_free(compressor);
}

/* One compressor without context for all: any decoder reads its messages, in any order, also
 * one that keeps context of other messages. */
static void one_compressor_for_all(void **state) {
    (void)state;
    struct deflate_compressor *own = deflate_compressor_new(15, 6, 8, true);
    struct deflate_compressor *shared = deflate_compressor_new(12, 6, 8, false);
    struct ws_decoder decoder;
    static const char text[] = "the same words again and again, the same words again";
    ws_decoder_init(&decoder);
    ws_decoder_allow_deflate(&decoder, 15, true);
    for (int i = 0; i < 6; i++) {
        struct codec_buffer *out = NULL;
        struct deflate_compressor *compressor = i % 2 ? shared : own;
        assert_int_equal(deflate_compress(compressor, text, sizeof(text), &out), 0);
        if (compressor == shared) { /* what the peer knows of earlier messages has changed */
            deflate_compressor_free(own);
            own = deflate_compressor_new(15, 6, 8, true);
        }
        char frame[200];
        char *data = frame;
        size_t left = make_frame(frame, 0xc2, out->data, out->len);
        struct ws_event event;
        assert_int_equal(ws_decoder_next(&decoder, &limits, &data, &left, &event), WS_MESSAGE);
        assert_memory_equal(event.data, text, sizeof(text));
        codec_buffer_free(&out);
    }
    deflate_compressor_free(own);
    deflate_compressor_free(shared);
    ws_decoder_done(&decoder);
}

static size_t calls, failing_call, live_max, asked;

static void *watch(void *memory, size_t size) {
    calls++;
    asked += size;
    live_max = size > live_max ? size : live_max;
    return failing_call > 0 && calls >= failing_call ? NULL : realloc(memory, size);
}

static int start_watch(void **state) {
    (void)state;
    calls = failing_call = live_max = asked = 0;
    codec_memory_replace(watch);
    return 0;
}

static int end_watch(void **state) {
    (void)state;
    codec_memory_replace(NULL);
    return 0;
}

/* Fifty megabytes of zeros, compressed to fifty kilobytes, cost what the limit allows. */
static void a_bomb_costs_the_limit(void **state) {
    (void)state;
    size_t len = 50 << 20;
    char *zeros = calloc(1, len), *frame = malloc(1 << 20);
    struct deflate_compressor *compressor = deflate_compressor_new(15, 9, 8, false);
    struct codec_buffer *bomb = NULL;
    assert_int_equal(deflate_compress(compressor, zeros, len, &bomb), 0);
    assert_true(bomb->len < 100000);
    char *data = frame;
    size_t left = make_frame(frame, 0xc2, bomb->data, bomb->len);
    struct ws_decoder decoder;
    struct ws_event event;
    struct ws_limits small = {.max_message = 100000};
    ws_decoder_init(&decoder);
    ws_decoder_allow_deflate(&decoder, 15, true);
    asked = live_max = 0;
    assert_int_equal(ws_decoder_next(&decoder, &small, &data, &left, &event), WS_ERROR);
    assert_int_equal(event.code, WS_CODE_TOO_BIG);
    assert_true(live_max < 2 * small.max_message);
    assert_true(asked < 6 * small.max_message);
    assert_null(decoder.partial);
    assert_null(decoder.inflater);
    ws_decoder_done(&decoder);
    codec_buffer_free(&bomb);
    deflate_compressor_free(compressor);
    free(zeros);
    free(frame);
}

/* Blocks that are marked as the last and make nothing: none of them may cost anything, and the
 * window behind them is the one before. */
static void last_blocks_cost_no_memory(void **state) {
    (void)state;
    static const char begin[] = "\xf3\x48\xcd\xc9\xc9\x07", end[] = "\xf2\x00\x11\x00";
    char payload[sizeof(begin) + 20000 + sizeof(end)], frame[sizeof(payload) + 16];
    size_t len = sizeof(begin);
    memcpy(payload, begin, sizeof(begin));
    for (; len < sizeof(begin) + 20000; len += 2)
        memcpy(payload + len, "\x03", 2);
    memcpy(payload + len, end, sizeof(end));
    struct ws_decoder decoder;
    struct ws_event event;
    char *data = frame;
    size_t left = make_frame(frame, 0xc2, payload, sizeof(payload));
    ws_decoder_init(&decoder);
    ws_decoder_allow_deflate(&decoder, 15, true);
    calls = 0;
    assert_int_equal(ws_decoder_next(&decoder, &limits, &data, &left, &event), WS_MESSAGE);
    assert_int_equal(event.len, 10);
    assert_memory_equal(event.data, "HelloHello", 10);
    assert_in_range(calls, 1, 10);
    ws_decoder_done(&decoder);
}

static enum ws_event_type announce(struct ws_decoder *decoder, size_t first, size_t second) {
    struct ws_limits small = {.max_message = 1000};
    unsigned char frames[16] = {0x42, 0xfe, (unsigned char)(first >> 8), (unsigned char)first};
    struct ws_event event;
    size_t left = 8;
    char *blocks = calloc(1, first), *data = (char *)frames;
    ws_decoder_init(decoder);
    ws_decoder_allow_deflate(decoder, 15, true);
    assert_int_equal(ws_decoder_next(decoder, &small, &data, &left, &event), WS_NEED_MORE);
    for (size_t i = 0; i < first; i += 2)
        blocks[i] = 3; /* and 0: the last block, with nothing in it */
    data = blocks;
    left = first;
    assert_int_equal(ws_decoder_next(decoder, &small, &data, &left, &event), WS_NEED_MORE);
    free(blocks);
    unsigned char next[16] = {0x80, 0xfe, (unsigned char)(second >> 8), (unsigned char)second};
    data = (char *)next;
    left = 8;
    enum ws_event_type type = ws_decoder_next(decoder, &small, &data, &left, &event);
    if (type == WS_ERROR)
        assert_int_equal(event.code, WS_CODE_TOO_BIG);
    ws_decoder_done(decoder);
    return type;
}

/* It is over as soon as it announces more than can be of use. */
static void a_message_without_end_is_too_big(void **state) {
    (void)state;
    struct ws_decoder decoder;
    size_t most = 1000 + 1000 / 8 + 65536;
    assert_int_equal(announce(&decoder, 2000, most - 2000), WS_NEED_MORE);
    assert_int_equal(announce(&decoder, 2000, most - 2000 + 1), WS_ERROR);
}

/* BFINAL in the first message: its way needs memory as well. */
static bool reads_with_failure(size_t failing) {
    static const char input[] = "\x41\x84\0\0\0\0\xf3\x48\xcd\xc9\x80\x84\0\0\0\0\xc9\x07\0\0"
                                "\xc1\x85\0\0\0\0\xf2\x00\x11\0\0";
    char copy[sizeof(input)];
    memcpy(copy, input, sizeof(input));
    struct ws_decoder decoder;
    struct ws_event event = {.type = WS_NEED_MORE};
    ws_decoder_init(&decoder);
    ws_decoder_allow_deflate(&decoder, 15, true);
    calls = 0;
    failing_call = failing;
    int messages = 0;
    char *data = copy;
    size_t len = sizeof(input) - 1;
    while (event.type != WS_ERROR &&
           ws_decoder_next(&decoder, &limits, &data, &len, &event) != WS_NEED_MORE)
        messages += event.type == WS_MESSAGE;
    if (event.type == WS_ERROR)
        assert_int_equal(event.code, WS_CODE_INTERNAL);
    else
        assert_int_equal(messages, 2);
    ws_decoder_done(&decoder);
    return event.type != WS_ERROR;
}

static void failed_allocations_are_reported(void **state) {
    (void)state;
    size_t failing = 1;
    while (!reads_with_failure(failing))
        failing++;
    assert_true(failing >= 5);
    for (failing_call = 1; failing_call < 20; failing_call++) {
        calls = 0;
        struct deflate_compressor *compressor = deflate_compressor_new(15, 6, 8, true);
        struct codec_buffer *out = NULL;
        if (compressor && deflate_compress(compressor, "Hello", 5, &out) == 0)
            assert_memory_equal(out->data, "\xf2\x48\xcd\xc9\xc9\x07\x00", 7);
        codec_buffer_free(&out);
        deflate_compressor_free(compressor);
    }
}

#define WATCHED(test) cmocka_unit_test_setup_teardown(test, start_watch, end_watch)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offers),
        cmocka_unit_test(terms_are_what_was_answered),
        cmocka_unit_test(what_is_compressed_is_read),
        cmocka_unit_test(empty_messages),
        cmocka_unit_test(one_compressor_for_all),
        WATCHED(a_bomb_costs_the_limit),
        WATCHED(last_blocks_cost_no_memory),
        cmocka_unit_test(a_message_without_end_is_too_big),
        WATCHED(failed_allocations_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
