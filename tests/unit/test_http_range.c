/* SPDX-License-Identifier: MIT
 *
 * Ranges (RFC 9110 section 14) and conditions (section 13).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec_help.h"
#include "http_condition.h"
#include "http_range.h"

static void ranges(void **state) {
    (void)state;
    static const struct {
        const char *value;
        uint64_t size;
        int count;
        const char *made;
    } cases[] = {
        {"bytes=0-499", 10000, 1, "0-499 "},
        {"bytes=500-999", 10000, 1, "500-999 "},
        {"bytes=-500", 10000, 1, "9500-9999 "},
        {"bytes=9500-", 10000, 1, "9500-9999 "},
        {"bytes=0-0,-1", 10000, 2, "0-0 9999-9999 "},
        {"bytes= 0-1 , 5-6", 10, 2, "0-1 5-6 "},
        {"BYTES=0-1", 10, 1, "0-1 "},
        {"bytes=0-99999", 10, 1, "0-9 "},
        {"bytes=0-99999999999999999999999", 10, 1, "0-9 "},
        {"bytes=-99999", 10, 1, "0-9 "},
        {"bytes=5-6,100-", 10, 1, "5-6 "},
        {"bytes=10-", 10, -416, ""},
        {"bytes=99999999999999999999999-", 10, -416, ""},
        {"bytes=-0", 10, -416, ""},
        {"bytes=-5", 0, -416, ""},
        {"bytes=0-", 0, -416, ""},
        {"bytes=6-5", 10, 0, ""},
        {"bytes=", 10, 0, ""},
        {"bytes=a-b", 10, 0, ""},
        {"bytes=1", 10, 0, ""},
        {"bytes=-", 10, 0, ""},
        {"bytes=--1", 10, 0, ""},
        {"bytes=+1-2", 10, 0, ""},
        {"bytes=1- 2", 10, 0, ""},
        {"bytes=0-1,x", 10, 0, ""},
        {"items=0-1", 10, 0, ""},
        {"0-1", 10, 0, ""},
        {"", 10, 0, ""},
        {"bytes=0-9,0-0", 10, 0, ""},
        {"bytes=0-0,1-1,2-2,3-3,4-4", 10, 0, ""}, /* more than the capacity */
        {"bytes=0-0,1-1,2-2,3-3", 10, 4, "0-0 1-1 2-2 3-3 "},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct http_range ranges[4];
        char made[100] = "";
        size_t len = 0;
        int count = http_range_parse(slice_of(cases[i].value), cases[i].size, ranges, 4);
        for (int r = 0; r < count; r++)
            len += (size_t)snprintf(made + len, sizeof(made) - len, "%llu-%llu ",
                                    (unsigned long long)ranges[r].first,
                                    (unsigned long long)ranges[r].last);
        if (count != cases[i].count || strcmp(made, cases[i].made) != 0)
            fail_msg("%s: %d %s", cases[i].value, count, made);
    }
}

#define THEN   "Sun, 06 Nov 1994 08:49:37 GMT"
#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define LATER  "Sun, 06 Nov 1994 08:49:38 GMT"

static const struct http_validators strong = {
    .exists = true, .etag = "\"v1\"", .has_last_modified = true, .last_modified = 784111777};
static const struct http_validators weak = {
    .exists = true, .etag = "W/\"v1\"", .has_last_modified = true, .last_modified = 784111777};
static const struct http_validators bare = {.exists = true};
static const struct http_validators absent = {.exists = false};

static void conditions(void **state) {
    (void)state;
    static const struct {
        const char *line, *fields;
        const struct http_validators *validators;
        int status;
    } cases[] = {
        {"GET /", "", &strong, 0},
        {"GET /", "If-None-Match: \"v1\"\r\n", &strong, 304},
        {"HEAD /", "If-None-Match: \"v1\"\r\n", &strong, 304},
        {"PUT /", "If-None-Match: \"v1\"\r\n", &strong, 412},
        {"GET /", "If-None-Match: W/\"v1\"\r\n", &strong, 304},
        {"GET /", "If-None-Match: \"v1\"\r\n", &weak, 304},
        {"GET /", "If-None-Match: \"v2\"\r\n", &strong, 0},
        {"GET /", "If-None-Match: \"a,b\", W/\"x\" , \"v1\"\r\n", &strong, 304},
        {"GET /", "If-None-Match: \"v2\"\r\nIf-None-Match: \"v1\"\r\n", &strong, 304},
        {"GET /", "If-None-Match: v1\r\n", &strong, 0},
        {"GET /", "If-None-Match: \"v1\r\n", &strong, 0},
        {"GET /", "If-None-Match: *\r\n", &strong, 304},
        {"GET /", "If-None-Match: *\r\n", &bare, 304},
        {"PUT /", "If-None-Match: *\r\n", &absent, 0},
        {"PUT /", "If-None-Match: *\r\n", &strong, 412},
        {"PUT /", "If-Match: \"v1\"\r\n", &strong, 0},
        {"PUT /", "If-Match: \"v1\"\r\n", &weak, 412},
        {"PUT /", "If-Match: W/\"v1\"\r\n", &weak, 412},
        {"PUT /", "If-Match: \"v0\", \"v1\"\r\n", &strong, 0},
        {"PUT /", "If-Match: \"v2\"\r\n", &strong, 412},
        {"PUT /", "If-Match: *\r\n", &strong, 0},
        {"PUT /", "If-Match: *\r\n", &absent, 412},
        {"GET /", "If-Modified-Since: " THEN "\r\n", &strong, 304},
        {"GET /", "If-Modified-Since: " LATER "\r\n", &strong, 304},
        {"GET /", "If-Modified-Since: " BEFORE "\r\n", &strong, 0},
        {"GET /", "If-Modified-Since: yesterday\r\n", &strong, 0},
        {"GET /", "If-Modified-Since: " THEN "\r\n", &bare, 0},
        {"PUT /", "If-Modified-Since: " THEN "\r\n", &strong, 0},
        {"PUT /", "If-Unmodified-Since: " THEN "\r\n", &strong, 0},
        {"PUT /", "If-Unmodified-Since: " BEFORE "\r\n", &strong, 412},
        {"PUT /", "If-Unmodified-Since: yesterday\r\n", &strong, 0},
        /* section 13.2.2: tags go before dates */
        {"GET /", "If-None-Match: \"v2\"\r\nIf-Modified-Since: " THEN "\r\n", &strong, 0},
        {"PUT /", "If-Match: \"v1\"\r\nIf-Unmodified-Since: " BEFORE "\r\n", &strong, 0},
        {"GET /", "If-Match: \"v2\"\r\nIf-None-Match: \"v1\"\r\n", &strong, 412},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct request request;
        request_parse(&request, cases[i].line, cases[i].fields);
        int status = http_condition_evaluate(&request.head, cases[i].validators, 784111777);
        if (status != cases[i].status)
            fail_msg("%s %s: %d", cases[i].line, cases[i].fields, status);
    }
}

/* Section 13.1.5: only what is surely the same may be continued. */
static void if_range(void **state) {
    (void)state;
    static const struct {
        const char *fields;
        const struct http_validators *validators;
        bool holds;
    } cases[] = {
        {"", &strong, true},
        {"If-Range: \"v1\"\r\n", &strong, true},
        {"If-Range: \"v2\"\r\n", &strong, false},
        {"If-Range: W/\"v1\"\r\n", &weak, false},
        {"If-Range: \"v1\"\r\n", &weak, false},
        {"If-Range: " THEN "\r\n", &strong, true},
        {"If-Range: " LATER "\r\n", &strong, false},
        {"If-Range: " THEN "\r\n", &bare, false},
        {"If-Range: \"v1\"\r\n", &bare, false},
        {"If-Range: garbage\r\n", &strong, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct request request;
        request_parse(&request, "GET /", cases[i].fields);
        if (http_condition_range_holds(&request.head, cases[i].validators, 784111777) !=
            cases[i].holds)
            fail_msg("%s", cases[i].fields);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges),
        cmocka_unit_test(conditions),
        cmocka_unit_test(if_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
