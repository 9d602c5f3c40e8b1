/* SPDX-License-Identifier: MIT
 *
 * The parsers of single values, one after the other over the same input: targets, paths, forms,
 * cookies, dates, ranges, parameters, addresses, offers of extensions; and what is written with
 * such values in it. Each promise that can be checked here is.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec_memory.h"
#include "cookie.h"
#include "form.h"
#include "forwarded.h"
#include "http_condition.h"
#include "http_date.h"
#include "http_params.h"
#include "http_range.h"
#include "http_response.h"
#include "http_target.h"
#include "multipart.h"
#include "sse.h"
#include "ws_extensions.h"

#define NOW      1780000000
#define HEAD_MAX 8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool is_so, const char *what) {
    if (is_so)
        return;
    fprintf(stderr, "broken: %s\n", what);
    abort();
}

static bool is_inside(struct http_slice slice, struct http_slice whole) {
    return slice.data >= whole.data && slice.data + slice.len <= whole.data + whole.len;
}

static void try_path(struct http_slice input, char *room) {
    http_target_decode(input, HTTP_DECODE_FORM, room);
    long len = http_target_decode(input, HTTP_DECODE_PATH, room);
    if (len >= 0)
        len = http_target_clean(room, (size_t)len);
    if (len < 0)
        return;
    expect(len > 0 && room[0] == '/' && (size_t)len <= input.len, "a clean path begins with /");
    for (long i = 0; i < len; i++) {
        bool is_segment = room[i] == '/' && i + 2 < len && room[i + 1] == '.' &&
                          room[i + 2] == '.' && (i + 3 == len || room[i + 3] == '/');
        expect(!is_segment && room[i] != '\0', "a clean path has no ..");
    }
    expect(http_target_clean(room, (size_t)len) == len, "cleaning twice changes nothing");
}

static void try_pairs(struct http_slice input) {
    struct http_slice rest = input, name, value;
    while (form_next(&rest, &name, &value))
        expect(is_inside(name, input) && is_inside(value, input), "form inside");
    rest = input;
    while (cookie_next(&rest, &name, &value))
        expect(name.len > 0 && is_inside(name, input) && is_inside(value, input),
               "cookie inside");
    rest = input;
    struct http_param param;
    if (http_params_begin(&rest, &name))
        while (http_params_next(&rest, &param) > 0)
            expect(param.name.len > 0 && is_inside(param.name, input), "parameter inside");
    char boundary[MULTIPART_BOUNDARY_MAX];
    size_t len;
    if (multipart_find_boundary(input, boundary, &len))
        expect(len > 0 && len <= sizeof(boundary), "boundary fits");
}

static void try_date_and_range(struct http_slice input) {
    int64_t seconds, again;
    if (http_date_parse(input, NOW, &seconds)) {
        char text[HTTP_DATE_LEN];
        http_date_format(seconds, text);
        expect(http_date_parse((struct http_slice){text, sizeof(text)}, NOW, &again) &&
                   again == seconds,
               "a date comes back");
    }
    struct http_range ranges[8];
    uint64_t sum = 0;
    int count = http_range_parse(input, 1000, ranges, 8);
    for (int i = 0; i < count; i++) {
        expect(ranges[i].first <= ranges[i].last && ranges[i].last < 1000, "range inside");
        sum += ranges[i].last - ranges[i].first + 1;
    }
    expect(sum <= 1000, "ranges within the size");
    struct forwarded_address address;
    forwarded_parse_address(input, &address);
}

static bool trust_even(void *context, const struct forwarded_address *address) {
    (void)context;
    return address->bytes[0] % 2 == 0;
}

static void try_head(struct http_slice input) {
    char text[HEAD_MAX];
    struct http_field fields[8];
    struct http_head head = {.fields = fields, .capacity = 8};
    struct http_limits limits = {.head_size = sizeof(text), .fields = 8};
    static const char *const names[] = {"Sec-WebSocket-Extensions", "Forwarded",
                                        "X-Forwarded-For", "If-None-Match", "If-Range"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t scanned = 0;
        int len = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n%s: %.*s\r\n\r\n",
                           names[i], (int)input.len, input.data);
        if (len >= (int)sizeof(text) ||
            http_head_parse(text, (size_t)len, &scanned, &limits, &head) != len)
            continue;
        struct ws_deflate_policy policy = {.server_bits = 12, .client_bits = 12};
        struct ws_deflate_terms terms;
        char response[WS_EXTENSIONS_RESPONSE_MAX];
        if (ws_extensions_negotiate(&head, &policy, &terms, response) > 0)
            expect(terms.server_bits >= 9 && terms.server_bits <= 12 && terms.client_bits >= 8,
                   "terms within the policy");
        struct forwarded_client client;
        forwarded_find_client(&head, trust_even, NULL, &client);
        struct http_validators validators = {.exists = true, .etag = "\"a\""};
        http_condition_evaluate(&head, &validators, NOW);
        http_condition_range_holds(&head, &validators, NOW);
    }
}

static size_t count_lines(const char *data, size_t len) {
    size_t lines = 0;
    for (size_t i = 0; i < len; i++)
        lines += data[i] == '\n' || data[i] == '\r';
    return lines;
}

static void try_writing(struct http_slice input) {
    char out[HEAD_MAX];
    struct http_response response;
    http_response_begin(&response, out, sizeof(out), 200, NULL);
    http_response_add(&response, "X", input.data, input.len);
    long len = http_response_finish(&response);
    if (len > 0)
        expect(count_lines(out, (size_t)len) == 6, "a head of three lines");
    struct cookie cookie = {.name = {"a", 1}, .value = input};
    len = cookie_encode(&cookie, out, sizeof(out));
    if (len > 0)
        expect(!memchr(out, ';', (size_t)len) && count_lines(out, (size_t)len) == 0,
               "a cookie of one pair");
    struct codec_buffer *stream = NULL;
    struct sse_event event = {.data = input.data, .len = input.len, .retry_ms = -1};
    expect(sse_encode(&event, &stream) == 0, "an event is written");
    for (size_t at = 0; at + 1 < stream->len;) {
        expect(stream->len - at > 6 && memcmp(stream->data + at, "data: ", 6) == 0,
               "every line of an event is data");
        const char *lf = memchr(stream->data + at, '\n', stream->len - at);
        at = (size_t)(lf - stream->data) + 1;
    }
    codec_buffer_free(&stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *exact = malloc(size + 1), *room = malloc(size + 1);
    if (!exact || !room || size > UINT16_MAX)
        abort();
    if (size > 0)
        memcpy(exact, data, size);
    struct http_slice input = {exact, (uint32_t)size};
    try_path(input, room);
    try_pairs(input);
    try_date_and_range(input);
    try_head(input);
    try_writing(input);
    free(exact);
    free(room);
    return 0;
}
