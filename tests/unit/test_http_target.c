/* SPDX-License-Identifier: MIT
 *
 * Request targets, percent-encoding, paths that stay in their root, forms, and parameters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec_help.h"
#include "form.h"
#include "http_params.h"
#include "http_target.h"
#include "multipart.h"

static bool is(struct http_slice slice, const char *text) {
    return slice.len == strlen(text) && memcmp(slice.data, text, slice.len) == 0;
}

/* RFC 9112 section 3.2. */
static void targets(void **state) {
    (void)state;
    static const struct {
        const char *line;
        int status;
        const char *path, *query, *host;
    } cases[] = {
        {"GET /", 0, "/", "", "own.example"},
        {"GET /a/b?c=d&e?f", 0, "/a/b", "c=d&e?f", "own.example"},
        {"GET /?", 0, "/", "", "own.example"},
        {"GET //a", 0, "//a", "", "own.example"},
        {"GET http://other.example", 0, "/", "", "other.example"},
        {"GET http://other.example:81/x?y", 0, "/x", "y", "other.example:81"},
        {"GET HTTPS://other.example?y", 0, "/", "y", "other.example"},
        {"OPTIONS *", 0, "*", "", "own.example"},
        {"GET *", -400, NULL, NULL, NULL},
        {"GET a/b", -400, NULL, NULL, NULL},
        {"GET ?a", -400, NULL, NULL, NULL},
        {"GET http://", -400, NULL, NULL, NULL},
        {"GET http:///x", -400, NULL, NULL, NULL},
        {"GET http://:80/x", -400, NULL, NULL, NULL},
        {"GET http://a[b/x", -400, NULL, NULL, NULL},
        {"GET http://<b>/x", -400, NULL, NULL, NULL},
        {"GET http://a:b/x", -400, NULL, NULL, NULL},
        {"GET http://[::1]:81/x", 0, "/x", "", "[::1]:81"},
        {"GET http://user@other.example/", -400, NULL, NULL, NULL},
        {"GET ftp://other.example/", -400, NULL, NULL, NULL},
        {"GET /a#b", -400, NULL, NULL, NULL},
        {"CONNECT other.example:443", -501, NULL, NULL, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct request request;
        struct http_target target;
        request_parse(&request, cases[i].line, "");
        int status = http_target_parse(&request.head, &target);
        if (status != cases[i].status || (status == 0 && (!is(target.path, cases[i].path) ||
                                                          !is(target.query, cases[i].query) ||
                                                          !is(target.host, cases[i].host))))
            fail_msg("%s: %d", cases[i].line, status);
    }
}

static void decoding(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum http_decoding decoding;
        const char *result; /* NULL: refused */
    } cases[] = {
        {"/a%20b", HTTP_DECODE_PATH, "/a b"},
        {"/a+b", HTTP_DECODE_PATH, "/a+b"},
        {"%2e%2E%2f", HTTP_DECODE_PATH, "../"},
        {"%25%32%35", HTTP_DECODE_PATH, "%25"},
        {"%c3%a9", HTTP_DECODE_PATH, "\xc3\xa9"},
        {"a%00b", HTTP_DECODE_PATH, NULL},
        {"a%", HTTP_DECODE_PATH, NULL},
        {"a%2", HTTP_DECODE_PATH, NULL},
        {"a%2g", HTTP_DECODE_PATH, NULL},
        {"a%g2", HTTP_DECODE_PATH, NULL},
        {"", HTTP_DECODE_PATH, ""},
        {"a+b%2Bc", HTTP_DECODE_FORM, "a b+c"},
        {"100%", HTTP_DECODE_FORM, "100%"},
        {"%zz%4", HTTP_DECODE_FORM, "%zz%4"},
        {"%00", HTTP_DECODE_FORM, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char out[40];
        long len = http_target_decode(slice_of(cases[i].text), cases[i].decoding, out);
        const char *result = cases[i].result;
        if (!result ? len != -1
                    : len != (long)strlen(result) || memcmp(out, result, (size_t)len) != 0)
            fail_msg("%s: %ld", cases[i].text, len);
    }
}

/* RFC 3986 section 5.2.4, and never above the root. */
static void clean_paths(void **state) {
    (void)state;
    static const struct {
        const char *path, *result; /* NULL: refused */
    } cases[] = {
        {"/", "/"},
        {"/a", "/a"},
        {"/a/", "/a/"},
        {"/a/b/c/./../../g", "/a/g"},
        {"//a///b//", "/a/b/"},
        {"/./a/.", "/a/"},
        {"/a/..", "/"},
        {"/a/../", "/"},
        {"/a/b/..", "/a/"},
        {"/...", "/..."},
        {"/..a/b..", "/..a/b.."},
        {"/.a", "/.a"},
        {"/a/b/../../c", "/c"},
        {"/..", NULL},
        {"/../", NULL},
        {"/a/../../b", NULL},
        {"/./../a", NULL},
        {"//..", NULL},
        {"", NULL},
        {"a", NULL},
        {"../a", NULL},
        {"/a\\b", NULL},
        {"/a\nb", NULL},
        {"/a\x7f", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char path[64];
        size_t size = strlen(cases[i].path);
        memcpy(path, cases[i].path, size);
        long len = http_target_clean(path, size);
        const char *result = cases[i].result;
        if (!result ? len != -1
                    : len != (long)strlen(result) || memcmp(path, result, (size_t)len) != 0)
            fail_msg("%s: %ld %.*s", cases[i].path, len, len > 0 ? (int)len : 0, path);
    }
    char with_nul[] = "/a\0b";
    assert_int_equal(http_target_clean(with_nul, 4), -1);
}

static void forms(void **state) {
    (void)state;
    static const struct {
        const char *text, *pairs; /* name=value; of each */
    } cases[] = {
        {"a=1&b=2", "a=1;b=2;"},
        {"a", "a=;"},
        {"=1", "=1;"},
        {"a=b=c", "a=b=c;"},
        {"&&a=1&&", "a=1;"},
        {"", ""},
        {"&", ""},
        {"a=1&a=2", "a=1;a=2;"},
        {"=", "=;"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char made[100] = "";
        size_t len = 0;
        struct http_slice rest = slice_of(cases[i].text), name, value;
        while (form_next(&rest, &name, &value))
            len += (size_t)snprintf(made + len, sizeof(made) - len, "%.*s=%.*s;", (int)name.len,
                                    name.data, (int)value.len, value.data);
        assert_string_equal(made, cases[i].pairs);
    }
}

static void lists(void **state) {
    (void)state;
    static const struct {
        const char *list, *elements;
    } cases[] = {
        {"a, b,c", "<a><b><c>"},
        {" ,, a ,\t", "<a>"},
        {"", ""},
        {",", ""},
        {"a b, c", "<a b><c>"},
        {"\"a,b\", c", "<\"a,b\"><c>"},
        {"\"a\\\",b\",c", "<\"a\\\",b\"><c>"},
        {"\"a,b", "<\"a,b>"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char made[100] = "";
        size_t len = 0;
        struct http_slice rest = slice_of(cases[i].list), element;
        while (http_list_next(&rest, &element))
            len += (size_t)snprintf(made + len, sizeof(made) - len, "<%.*s>", (int)element.len,
                                    element.data);
        assert_string_equal(made, cases[i].elements);
    }
    assert_true(http_list_has(slice_of("keep-alive, Upgrade"), "upgrade"));
    assert_false(http_list_has(slice_of("keep-alive, Upgraded"), "upgrade"));
    assert_false(http_list_has(slice_of("\"a, upgrade\""), "upgrade"));
}

/* RFC 9110 section 5.6.6. */
static void parameters(void **state) {
    (void)state;
    static const struct {
        const char *text, *made; /* ! at the end: malformed */
    } cases[] = {
        {"v; a=1; b=\"2;3\" ;c", "v|a=1|b=2;3|c"},
        {"v", "v"},
        {"v;;a=1;", "v|a=1"},
        {"v ; a = 1", "v|a=1"},
        {"v; a=\"x\\\"y\"", "v|a=x\\\"y"},
        {"v; =1", "v!"},
        {"v; a=", "v!"},
        {"v; a=\"x", "v!"},
        {"v; a b", "v|a!"},
        {"v; a=\"x\"y", "v|a=x!"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char made[100];
        struct http_slice rest = slice_of(cases[i].text), value;
        struct http_param param;
        int more;
        assert_true(http_params_begin(&rest, &value));
        size_t len = (size_t)snprintf(made, sizeof(made), "%.*s", (int)value.len, value.data);
        while ((more = http_params_next(&rest, &param)) > 0)
            len += (size_t)snprintf(made + len, sizeof(made) - len, "|%.*s%s%.*s",
                                    (int)param.name.len, param.name.data,
                                    param.has_value ? "=" : "", (int)param.value.len,
                                    param.value.data);
        snprintf(made + len, sizeof(made) - len, more < 0 ? "!" : "");
        assert_string_equal(made, cases[i].made);
    }
    char out[16];
    assert_int_equal(http_params_unquote(slice_of("a\\\"b\\c"), false, out), 4);
    assert_memory_equal(out, "a\"bc", 4);
    assert_int_equal(http_params_unquote(slice_of("c:\\d\\\"e\\\\"), true, out), 7);
    assert_memory_equal(out, "c:\\d\"e\\", 7);
}

static void boundaries(void **state) {
    (void)state;
    static const struct {
        const char *type, *boundary; /* NULL: none */
    } cases[] = {
        {"multipart/form-data; boundary=abc", "abc"},
        {"Multipart/Form-Data;charset=utf-8; Boundary=\"a b'()+_,-./:=?\"", "a b'()+_,-./:=?"},
        {"multipart/form-data; boundary=----WebKitFormBoundaryx", "----WebKitFormBoundaryx"},
        {"multipart/form-data", NULL},
        {"multipart/form-data; boundary=", NULL},
        {"multipart/form-data; boundary=\"\"", NULL},
        {"multipart/form-data; boundary=\"a \"", NULL},
        {"multipart/form-data; boundary=\"a\tb\"", NULL},
        {"multipart/form-data; boundary=\"a;b\"", NULL},
        {"multipart/mixed; boundary=abc", NULL},
        {"", NULL},
        {"multipart/form-data; boundary="
         "0123456789012345678901234567890123456789012345678901234567890123456789x",
         NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char out[MULTIPART_BOUNDARY_MAX];
        size_t len = 0;
        bool has = multipart_find_boundary(slice_of(cases[i].type), out, &len);
        const char *boundary = cases[i].boundary;
        if (has != (boundary != NULL) ||
            (has && (len != strlen(boundary) || memcmp(out, boundary, len) != 0)))
            fail_msg("%s", cases[i].type);
    }
    char longest[MULTIPART_BOUNDARY_MAX + 1];
    struct multipart multipart;
    memset(longest, 'b', sizeof(longest));
    assert_int_equal(multipart_init(&multipart, longest, MULTIPART_BOUNDARY_MAX), 0);
    assert_int_equal(multipart_init(&multipart, longest, MULTIPART_BOUNDARY_MAX + 1), -1);
    assert_int_equal(multipart_init(&multipart, longest, 0), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets),    cmocka_unit_test(decoding), cmocka_unit_test(clean_paths),
        cmocka_unit_test(forms),      cmocka_unit_test(lists),    cmocka_unit_test(parameters),
        cmocka_unit_test(boundaries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
