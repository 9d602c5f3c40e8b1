/* SPDX-License-Identifier: MIT
 *
 * What is written: response heads, chunk headers, Server-Sent Events. Nothing can smuggle a
 * line in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec_help.h"
#include "codec_memory.h"
#include "http_response.h"
#include "sse.h"

static void heads(void **state) {
    (void)state;
    char out[300];
    struct http_response response;
    static const char expected[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                                   "Content-Length: 18446744073709551615\r\n"
                                   "X: \r\n\r\n";
    http_response_begin(&response, out, sizeof(out), 200, NULL);
    http_response_add_text(&response, "Content-Type", "text/plain");
    http_response_add_number(&response, "Content-Length", UINT64_MAX);
    http_response_add(&response, "X", NULL, 0);
    assert_int_equal(http_response_finish(&response), sizeof(expected) - 1);
    assert_memory_equal(out, expected, sizeof(expected) - 1);
    http_response_begin(&response, out, sizeof(out), 299, "Mine");
    assert_int_equal(http_response_finish(&response), 21);
    assert_memory_equal(out, "HTTP/1.1 299 Mine\r\n\r\n", 21);
    http_response_begin(&response, out, sizeof(out), 299, NULL);
    assert_int_equal(http_response_finish(&response), 17);
}

static long try_field(const char *name, const char *value, size_t len) {
    char out[100];
    struct http_response response;
    http_response_begin(&response, out, sizeof(out), 200, NULL);
    http_response_add(&response, name, value, len);
    return http_response_finish(&response);
}

static void nothing_breaks_out(void **state) {
    (void)state;
    assert_true(try_field("X", "y\tz \xc3\xa9", 6) > 0);
    assert_int_equal(try_field("X", "y\r\nSet-Cookie: a", 16), -1);
    assert_int_equal(try_field("X", "y\n", 2), -1);
    assert_int_equal(try_field("X", "y\r", 2), -1);
    assert_int_equal(try_field("X", "y\0z", 3), -1);
    assert_int_equal(try_field("X", "a long value and \x7f then more", 27), -1);
    assert_int_equal(try_field("X", "a long value and \x1b then more", 27), -1);
    assert_int_equal(try_field("", "y", 1), -1);
    assert_int_equal(try_field("X Y", "y", 1), -1);
    assert_int_equal(try_field("X:", "y", 1), -1);
    assert_int_equal(try_field("X\r\nY", "y", 1), -1);
    char out[100];
    struct http_response response;
    http_response_begin(&response, out, sizeof(out), 200, "OK\r\nX: y");
    assert_int_equal(http_response_finish(&response), -1);
    http_response_begin(&response, out, sizeof(out), 99, NULL);
    assert_int_equal(http_response_finish(&response), -1);
    http_response_begin(&response, out, sizeof(out), 1000, NULL);
    assert_int_equal(http_response_finish(&response), -1);
}

static void room_is_respected(void **state) {
    (void)state;
    for (size_t room = 0; room <= 25; room++) {
        char out[40];
        struct http_response response;
        memset(out, '#', sizeof(out));
        http_response_begin(&response, out, room, 200, NULL);
        http_response_add_text(&response, "A", "b");
        assert_int_equal(http_response_finish(&response), room < 25 ? -2 : 25);
        assert_int_equal(out[room], '#');
    }
}

static void phrases_and_bodies(void **state) {
    (void)state;
    assert_string_equal(http_response_phrase(101), "Switching Protocols");
    assert_string_equal(http_response_phrase(431), "Request Header Fields Too Large");
    assert_string_equal(http_response_phrase(777), "");
    assert_true(http_response_has_body(200) && http_response_has_body(404));
    assert_false(http_response_has_body(101) || http_response_has_body(204) ||
                 http_response_has_body(304));
}

static void chunk_headers(void **state) {
    (void)state;
    static const uint64_t lengths[] = {1, 9, 10, 15, 16, 255, 256, 65536, UINT64_MAX};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        char out[HTTP_CHUNK_HEADER_MAX + 1], expected[32];
        size_t len = http_response_chunk(out, lengths[i]);
        out[len] = '\0';
        snprintf(expected, sizeof(expected), "%llx\r\n", (unsigned long long)lengths[i]);
        assert_string_equal(out, expected);
    }
}

static void expect_event(struct sse_event event, const char *text) {
    struct codec_buffer *out = NULL;
    assert_int_equal(sse_encode(&event, &out), 0);
    if (out->len != strlen(text) || memcmp(out->data, text, out->len) != 0)
        fail_msg("%.*s", (int)out->len, out->data);
    codec_buffer_free(&out);
}

static void events(void **state) {
    (void)state;
    expect_event((struct sse_event){.data = "hello", .len = 5, .retry_ms = -1},
                 "data: hello\n\n");
    expect_event((struct sse_event){.data = "", .len = 0, .retry_ms = -1}, "data: \n\n");
    expect_event((struct sse_event){.data = "a\nb\r\nc\rd\n", .len = 9, .retry_ms = -1},
                 "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n");
    expect_event((struct sse_event){.event = "tick",
                                    .id = "7",
                                    .data = "x",
                                    .len = 1,
                                    .comment = "note",
                                    .retry_ms = 3000},
                 ": note\nevent: tick\nid: 7\nretry: 3000\ndata: x\n\n");
    expect_event((struct sse_event){.retry_ms = 0}, "retry: 0\n\n");
    expect_event((struct sse_event){.comment = "", .retry_ms = -1}, ": \n\n");
}

static void *no_memory(void *memory, size_t size) {
    (void)memory;
    (void)size;
    return NULL;
}

static void refused_events_leave_nothing(void **state) {
    (void)state;
    struct codec_buffer *out = NULL;
    struct sse_event bad[] = {{.event = "a\nb"}, {.id = "a\rdata: b"}, {.comment = "a\n\n"}};
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(sse_encode(&bad[i], &out), SSE_REFUSED);
        assert_null(out);
    }
    codec_memory_replace(no_memory);
    assert_int_equal(sse_encode(&(struct sse_event){.data = "x", .len = 1}, &out),
                     SSE_NO_MEMORY);
    codec_memory_replace(NULL);
    assert_true(!out || out->len == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads),
        cmocka_unit_test(nothing_breaks_out),
        cmocka_unit_test(room_is_respected),
        cmocka_unit_test(phrases_and_bodies),
        cmocka_unit_test(chunk_headers),
        cmocka_unit_test(events),
        cmocka_unit_test(refused_events_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
