/* SPDX-License-Identifier: MIT
 *
 * HTTP dates against the C library's calendar, and the forms of RFC 9110 section 5.6.7.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec_help.h"
#include <time.h>

#include "http_date.h"

#define NOW 1780000000 /* 2026 */

static void forms(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds;
    } cases[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
        {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
        {"Sun Nov  6 08:49:37 1994", 784111777},
        {"Sun Nov 16 08:49:37 1994", 784975777},
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Wed, 31 Dec 1969 23:59:59 GMT", -1},
        {"Tue, 29 Feb 2000 00:00:00 GMT", 951782400},
        {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228799},
        {"Saturday, 01-Jan-70 00:00:00 GMT",
         3155760000},                                  /* 2070: not more than 50 years ahead */
        {"Friday, 01-Jan-77 00:00:00 GMT", 220924800}, /* 2077 would be */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t seconds = 12345;
        if (!http_date_parse(slice_of(cases[i].text), NOW, &seconds) ||
            seconds != cases[i].seconds)
            fail_msg("%s: %lld", cases[i].text, (long long)seconds);
    }
}

static void what_is_none(void **state) {
    (void)state;
    static const char *const cases[] = {
        "",
        "0",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun,  6 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Son, 06 Nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 29 Feb 1900 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 19x4 08:49:37 GMT",
        "Sun Nov 6  08:49:37 1994",
        "Sun Nov  6 08:49:37 19944",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Someday, 06-Nov-94 08:49:37 GMT",
        "1994-11-06T08:49:37Z",
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t seconds = 12345;
        if (http_date_parse(slice_of(cases[i]), NOW, &seconds) || seconds != 12345)
            fail_msg("%s: %lld", cases[i], (long long)seconds);
    }
}

static void as_the_c_library(void **state) {
    (void)state;
    for (int64_t seconds = -62167219200; seconds < 253402300800; seconds += 86399 * 37 + 13) {
        char out[HTTP_DATE_LEN], expected[40];
        time_t t = (time_t)seconds;
        struct tm tm;
        int64_t back;
        gmtime_r(&t, &tm);
        strftime(expected, sizeof(expected), "%a, %d %b ", &tm);
        snprintf(expected + 12, sizeof(expected) - 12, "%04d %02d:%02d:%02d GMT",
                 tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
        http_date_format(seconds, out);
        assert_memory_equal(out, expected, HTTP_DATE_LEN);
        assert_true(http_date_parse((struct http_slice){out, sizeof(out)}, NOW, &back));
        assert_true(back == seconds);
    }
}

static void beyond_the_calendar(void **state) {
    (void)state;
    char out[HTTP_DATE_LEN];
    http_date_format(INT64_MAX, out);
    assert_memory_equal(out, "Fri, 31 Dec 9999 23:59:59 GMT", HTTP_DATE_LEN);
    http_date_format(INT64_MIN, out);
    assert_memory_equal(out, "Sat, 01 Jan 0000 00:00:00 GMT", HTTP_DATE_LEN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),
        cmocka_unit_test(what_is_none),
        cmocka_unit_test(as_the_c_library),
        cmocka_unit_test(beyond_the_calendar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
