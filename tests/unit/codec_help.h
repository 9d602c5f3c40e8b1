/* SPDX-License-Identifier: MIT
 *
 * What the table tests of the HTTP codecs share: slices of C strings, heads of requests. The
 * test includes cmocka.h before.
 */
#ifndef CREWMAN_TESTS_CODEC_HELP_H
#define CREWMAN_TESTS_CODEC_HELP_H

#include <stdio.h>
#include <string.h>

#include "http_head.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static inline struct http_slice slice_of(const char *text) {
    return (struct http_slice){text, (uint32_t)strlen(text)};
}

struct request {
    char text[2000];
    struct http_field fields[32];
    struct http_head head;
};

/* `line` without its version; `fields` with a CR LF behind each. */
static inline void request_parse(struct request *request, const char *line,
                                 const char *fields) {
    int len = snprintf(request->text, sizeof(request->text),
                       "%s HTTP/1.1\r\nHost: own.example\r\n%s\r\n", line, fields);
    struct http_limits limits = {.head_size = sizeof(request->text), .fields = 32};
    size_t scanned = 0;
    request->head = (struct http_head){.fields = request->fields, .capacity = 32};
    int size = http_head_parse(request->text, (size_t)len, &scanned, &limits, &request->head);
    if (size != len)
        fail_msg("%s %s: %d %s", line, fields, size, request->head.error);
}

#endif
