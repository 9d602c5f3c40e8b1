/* SPDX-License-Identifier: MIT
 *
 * Cookies, both ways (RFC 6265).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec_help.h"
#include "cookie.h"

static void reading(void **state) {
    (void)state;
    static const struct {
        const char *text, *pairs;
    } cases[] = {
        {"SID=31d4d96e407aad42; lang=en-US", "SID=31d4d96e407aad42;lang=en-US;"},
        {"a=\"quoted\"; b=\"", "a=quoted;b=\";"},
        {"a=1;b=2", "a=1;b=2;"},
        {" a = 1 ;; b=", "a=1;b=;"},
        {"a=b=c", "a=b=c;"},
        {"nothing; =x; a=1", "a=1;"},
        {"", ""},
        {"; ;", ""},
        {"a=\"\"", "a=;"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char made[100] = "";
        size_t len = 0;
        struct http_slice rest = slice_of(cases[i].text), name, value;
        while (cookie_next(&rest, &name, &value))
            len += (size_t)snprintf(made + len, sizeof(made) - len, "%.*s=%.*s;", (int)name.len,
                                    name.data, (int)value.len, value.data);
        assert_string_equal(made, cases[i].pairs);
    }
}

static void expect(struct cookie cookie, const char *text) {
    char out[300];
    long len = cookie_encode(&cookie, out, sizeof(out));
    if (!text ? len != -1 : len != (long)strlen(text) || memcmp(out, text, (size_t)len) != 0)
        fail_msg("%ld %.*s", len, len > 0 ? (int)len : 0, out);
}

#define NAMED(n, v) .name = {n, sizeof(n) - 1}, .value = {v, sizeof(v) - 1}
#define TEXT(t)                                                                                \
    { t, sizeof(t) - 1 }

static void writing(void **state) {
    (void)state;
    expect((struct cookie){NAMED("a", "1")}, "a=1");
    expect((struct cookie){NAMED("a", "")}, "a=");
    expect((struct cookie){NAMED("sid", "xyz"), .path = TEXT("/p"), .domain = TEXT("a.example"),
                           .has_max_age = true, .max_age = -5, .has_expires = true,
                           .expires = 784111777, .is_secure = true, .is_http_only = true,
                           .same_site = COOKIE_SAME_SITE_LAX},
           "sid=xyz; Domain=a.example; Path=/p; Max-Age=-5; "
           "Expires=Sun, 06 Nov 1994 08:49:37 GMT; Secure; HttpOnly; SameSite=Lax");
    expect((struct cookie){NAMED("a", "1"), .same_site = COOKIE_SAME_SITE_STRICT},
           "a=1; SameSite=Strict");
    expect((struct cookie){NAMED("__Host-a", "1"), .path = TEXT("/"), .is_secure = true,
                           .is_partitioned = true, .same_site = COOKIE_SAME_SITE_NONE},
           "__Host-a=1; Path=/; Secure; SameSite=None; Partitioned");
}

static void what_would_break_out(void **state) {
    (void)state;
    expect((struct cookie){NAMED("", "1")}, NULL);
    expect((struct cookie){NAMED("a b", "1")}, NULL);
    expect((struct cookie){NAMED("a=", "1")}, NULL);
    expect((struct cookie){NAMED("a", "1;2")}, NULL);
    expect((struct cookie){NAMED("a", "1 2")}, NULL);
    expect((struct cookie){NAMED("a", "1\r\nX: y")}, NULL);
    expect((struct cookie){NAMED("a", "1\0")}, NULL);
    expect((struct cookie){NAMED("a", "\xc3\xa9")}, NULL);
    expect((struct cookie){NAMED("a", "\"1\"")}, NULL);
    expect((struct cookie){NAMED("a", "1"), .path = TEXT("/;x")}, NULL);
    expect((struct cookie){NAMED("a", "1"), .path = TEXT("/\r\n")}, NULL);
    expect((struct cookie){NAMED("a", "1\x7f")}, NULL);
    expect((struct cookie){NAMED("a", "1"), .path = TEXT("/\x7f")}, NULL);
    expect((struct cookie){NAMED("a", "1"), .domain = TEXT("a;b")}, NULL);
}

/* Browsers would drop them without a word. */
static void what_browsers_drop(void **state) {
    (void)state;
    expect((struct cookie){NAMED("a", "1"), .same_site = COOKIE_SAME_SITE_NONE}, NULL);
    expect((struct cookie){NAMED("a", "1"), .is_partitioned = true}, NULL);
    expect((struct cookie){NAMED("__Secure-a", "1")}, NULL);
    expect((struct cookie){NAMED("__host-a", "1"), .path = TEXT("/")}, NULL);
    expect((struct cookie){NAMED("__Host-a", "1"), .is_secure = true}, NULL);
    expect((struct cookie){NAMED("__Host-a", "1"), .is_secure = true, .path = TEXT("/"),
                           .domain = TEXT("a")},
           NULL);
}

static void room_is_respected(void **state) {
    (void)state;
    struct cookie cookie = {NAMED("name", "value"), .path = TEXT("/"), .is_http_only = true};
    char out[40];
    for (size_t room = 0; room < 28; room++) {
        memset(out, '#', sizeof(out));
        assert_int_equal(cookie_encode(&cookie, out, room), -1);
        assert_int_equal(out[room], '#');
    }
    assert_int_equal(cookie_encode(&cookie, out, 28), 28);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading),
        cmocka_unit_test(writing),
        cmocka_unit_test(what_would_break_out),
        cmocka_unit_test(what_browsers_drop),
        cmocka_unit_test(room_is_respected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
