/* SPDX-License-Identifier: MIT
 *
 * The table of control messages: what the examples below say passes, and each way to be wrong
 * is refused with a line that names the field.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "messages.h"

/* One good body for each row of the table. */
static const char *const bodies[MSG_COUNT] = {
    [MSG_HELLO] = "{'version': '0.1.0'}",
    [MSG_READY] = "{}",
    [MSG_FAILED] = "{'reason': 'no'}",
    [MSG_BEAT] = "{}",
    [MSG_DRAINED] = "{'closed': 3}",
    [MSG_PLAN] = "{'name': 'a', 'services': [], 'app': '/a.so', 'runtimes': '', 'slot': 0, "
                 "'generation': 1,"
                 " 'process': 7,"
                 " 'user': '', 'group': '', 'log_level': 'notice',"
                 " 'drain_timeout_ms': 30000, 'spread_ms': 0}",
    [MSG_DRAIN] = "{'reason': 'reload', 'graceful': true, 'timeout_ms': 1000, 'spread_ms': 0}",
    [MSG_ADMIN_CLIENT] = "{}",
    [MSG_SIBLING] = "{'process': 7}",
    [MSG_SIBLING_GONE] = "{'process': 7}",
    [MSG_ASK_STATUS] = "{}",
    [MSG_ASK_ROSTER] = "{}",
    [MSG_ASK_STOP] = "{'graceful': false}",
    [MSG_ASK_RELOAD] = "{'graceful': true}",
    [MSG_ASK_REOPEN_LOGS] = "{}",
    [MSG_ASK_CONNECT] = "{'pid': 12}",
    [MSG_ASK_CONNECTIONS] = "{}",
    [MSG_STATUS] = "{'master': {}, 'workers': [], 'totals': {}}",
    [MSG_ROSTER] = "{'workers': []}",
    [MSG_CONNECTED] = "{}",
    [MSG_CONNECTIONS] = "{'list': [], 'more': false}",
    [MSG_WAIT] = "{}",
    [MSG_PROGRESS] = "{'text': 'half way'}",
    [MSG_DONE] = "{}",
    [MSG_REFUSED] = "{'reason': 'busy'}",
};

static json_t *parse(const char *text) {
    char json[1024];
    size_t len = strlen(text);
    assert_true(len < sizeof(json));
    for (size_t i = 0; i <= len; i++)
        json[i] = text[i] == '\'' ? '"' : text[i];
    json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    return value;
}

static json_t *good(enum message_id id) {
    assert_non_null(bodies[id]);
    json_t *body = parse(bodies[id]);
    json_object_set_new(body, "v", json_integer(MESSAGE_VERSION));
    json_object_set_new(body, "type", json_string(message_get(id)->name));
    return body;
}

static int check(enum message_id id, const json_t *body, char why[256]) {
    why[0] = '\0';
    int err = message_check(message_get(id), body, why, 256);
    assert_true(err == 0 || strlen(why) > 10);
    return err;
}

static void test_every_message_has_an_example_that_passes(void **state) {
    char why[256];
    (void)state;
    for (int id = 0; id < MSG_COUNT; id++) {
        json_t *body = good((enum message_id)id);
        assert_int_equal(message_get((enum message_id)id)->id, id);
        assert_int_equal(check((enum message_id)id, body, why), 0);
        json_decref(body);
    }
}

static void test_names_are_found_in_their_direction_only(void **state) {
    (void)state;
    for (int id = 0; id < MSG_COUNT; id++) {
        const struct message *row = message_get((enum message_id)id);
        assert_ptr_equal(message_find(row->direction, row->name), row);
    }
    assert_null(message_find(MESSAGE_TO_WORKER, "reopen_logs"));
    assert_int_equal(message_find(MESSAGE_TO_ADMIN, "reopen_logs")->id, MSG_ASK_REOPEN_LOGS);
    assert_null(message_find(MESSAGE_TO_MASTER, "reopen_logs"));
    assert_null(message_find(MESSAGE_TO_MASTER, ""));
    assert_null(message_find(MESSAGE_TO_MASTER, "beat "));
}

/* Leave each field out, and give it each wrong type, one at a time. */
static void test_every_field_is_looked_at(void **state) {
    static const char *const values[] = {"null", "'x'", "1.5", "-2", "true", "[]", "{}"};
    char why[256];
    (void)state;
    for (int number = 0; number < MSG_COUNT; number++) {
        enum message_id id = (enum message_id)number;
        json_t *fields = parse(bodies[id]);
        const char *name;
        json_t *value;
        json_object_foreach(fields, name, value) {
            json_t *body = good(id);
            json_object_del(body, name);
            assert_int_not_equal(check(id, body, why), 0);
            assert_non_null(strstr(why, name));
            assert_non_null(strstr(why, "is missing"));
            for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
                json_t *wrong = parse(values[i]);
                bool is_same = json_typeof(wrong) == json_typeof(value) ||
                               (json_is_boolean(wrong) && json_is_boolean(value));
                json_object_set_new(body, name, wrong);
                if (is_same && !json_is_integer(wrong))
                    continue;
                assert_int_not_equal(check(id, body, why), 0);
                assert_non_null(strstr(why, name));
            }
            json_decref(body);
        }
        json_decref(fields);
    }
}

static void test_unknown_fields_are_allowed(void **state) {
    char why[256];
    (void)state;
    json_t *body = good(MSG_BEAT);
    json_object_set_new(body, "of_a_newer_version", json_string("x"));
    assert_int_equal(check(MSG_BEAT, body, why), 0);
    json_decref(body);
}

static void test_version_and_type(void **state) {
    static const char *const wrongs[][2] = {{"v", "1"},    {"v", "2"},         {"v", "'3'"},
                                            {"v", "null"}, {"type", "'beat'"}, {"type", "1"}};
    char why[256];
    (void)state;
    for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
        json_t *body = good(MSG_READY);
        json_object_set_new(body, wrongs[i][0], parse(wrongs[i][1]));
        assert_int_not_equal(check(MSG_READY, body, why), 0);
        json_object_del(body, wrongs[i][0]);
        assert_int_not_equal(check(MSG_READY, body, why), 0);
        json_decref(body);
    }
    json_t *list = json_array();
    assert_int_not_equal(check(MSG_READY, list, why), 0);
    json_decref(list);
}

static void test_ranges(void **state) {
    static const struct {
        enum message_id id;
        const char *name;
        json_int_t value;
        bool is_good;
    } cases[] = {{MSG_PLAN, "slot", 0, true},
                 {MSG_PLAN, "slot", -1, false},
                 {MSG_DRAINED, "closed", INT64_MAX, true},
                 {MSG_DRAINED, "closed", -1, false}};
    char why[256];
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *body = good(cases[i].id);
        json_object_set_new(body, cases[i].name, json_integer(cases[i].value));
        assert_int_equal(check(cases[i].id, body, why) == 0, cases[i].is_good);
        json_decref(body);
    }
}

static void test_any_text_becomes_one_that_json_holds(void **state) {
    const struct {
        const char *text, *expected;
    } cases[] = {{"", ""},
                 {"plain", "plain"},
                 {"\xe7\xbd\x91 \xf0\x9f\x98\x80", "\xe7\xbd\x91 \xf0\x9f\x98\x80"},
                 {"a \xff b", "a ? b"},
                 {"\xed\xa0\x80", "???"},                /* a surrogate */
                 {"\xc0\x80", "??"},                     /* overlong */
                 {"cut \xe7\xbd", "cut ??"},             /* in a character */
                 {"\xe7\xe7\xbd\x91", "?\xe7\xbd\x91"}}; /* goes on behind a bad byte */
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *string = message_text(cases[i].text);
        assert_string_equal(json_string_value(string), cases[i].expected);
        json_decref(string);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_message_has_an_example_that_passes),
        cmocka_unit_test(test_names_are_found_in_their_direction_only),
        cmocka_unit_test(test_every_field_is_looked_at),
        cmocka_unit_test(test_unknown_fields_are_allowed),
        cmocka_unit_test(test_version_and_type),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_any_text_becomes_one_that_json_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
