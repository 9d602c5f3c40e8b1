/* SPDX-License-Identifier: MIT
 *
 * The plan: everything arrives, and whatever is out of its range is refused by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crewman.h"
#include "log.h"
#include "plan.h"

static json_t *good_body(void) {
    json_t *chat =
        json_pack("{s:s, s:{s:s, s:{s:s}}, s:i}", "service", "chat", "config", "listen",
                  "text://127.0.0.1:23", "heartbeat", "idle_timeout", "70s", "listener", 6);
    json_t *clock = json_pack("{s:s, s:{}, s:i}", "service", "clock", "config", "listener", -1);
    json_t *body = json_pack("{s:s, s:[o, o], s:s, s:s, s:i, s:i, s:i, s:s, s:s, s:s, s:i, "
                             "s:i}",
                             "name", "front", "services", chat, clock, "app", "/srv/chat.so",
                             "runtimes", "/srv", "slot", 3, "generation", 2, "process", 77,
                             "user", "www-data", "group", "adm", "log_level", "debug",
                             "drain_timeout_ms", 5000, "spread_ms", 300);
    assert_non_null(body);
    return body;
}

static void everything_arrives(void **state) {
    (void)state;
    struct plan plan;
    char why[256];
    json_t *body = good_body();
    assert_int_equal(plan_load(body, &plan, why, sizeof(why)), 0);
    json_decref(body); /* nothing of it is borrowed */
    assert_string_equal(plan.name, "front");
    assert_int_equal(plan.service_count, 2);
    const struct config_service *chat = &plan.services[0].config;
    assert_string_equal(chat->name, "chat");
    assert_string_equal(chat->listen_text, "text://127.0.0.1:23");
    assert_true(chat->heartbeat.idle_timeout_ms == 70000);
    assert_true(chat->heartbeat.ping_interval_ms == 25000); /* the default */
    assert_int_equal(plan.services[0].listener_fd, 6);
    assert_string_equal(plan.services[1].config.name, "clock");
    assert_true(plan.services[1].config.heartbeat.idle_timeout_ms != 70000);
    assert_int_equal(plan.services[1].listener_fd, -1);
    assert_int_equal(plan.slot, 3);
    assert_int_equal(plan.generation, 2);
    assert_int_equal(plan.process, 77);
    assert_int_equal(plan.log_level, CREW_LOG_DEBUG);
    assert_true(plan.drain_timeout_ms == 5000);
    assert_true(plan.spread_ms == 300);
    assert_string_equal(plan.user, "www-data");
    assert_string_equal(plan.group, "adm");
    assert_string_equal(plan.app, "/srv/chat.so");
    plan_done(&plan);
}

/* The plan with one field changed is refused, with a line that names it, and nothing is given
 * out. */
static void assert_refused(const char *key, json_t *value) {
    struct plan plan, untouched;
    char why[256] = "";
    json_t *body = good_body();
    memset(&plan, 0x5a, sizeof(plan));
    memcpy(&untouched, &plan, sizeof(plan));
    assert_int_equal(json_object_set_new(body, key, value), 0);
    if (plan_load(body, &plan, why, sizeof(why)) == 0)
        fail_msg("a wrong \"%s\" was taken", key);
    if (!strstr(why, key))
        fail_msg("\"%s\" does not name %s", why, key);
    assert_memory_equal(&plan, &untouched, sizeof(plan));
    json_decref(body);
}

static void numbers_have_ranges(void **state) {
    (void)state;
    static const struct {
        const char *key;
        json_int_t below, above;
    } ranges[] = {
        {"slot", -1, CONFIG_WORKERS_MAX},
        {"generation", 0, (json_int_t)INT32_MAX + 1},
        {"process", 0, 1 << 24},
    };
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        assert_refused(ranges[i].key, json_integer(ranges[i].below));
        assert_refused(ranges[i].key, json_integer(ranges[i].above));
        assert_refused(ranges[i].key, json_integer(INT64_MAX));
    }
}

static void a_user_is_never_cut(void **state) {
    (void)state;
    char name[4200];
    memset(name, 'u', sizeof(name));
    name[64] = '\0';
    assert_refused("user", json_string(name));
    assert_refused("group", json_string(name));
    assert_refused("name", json_string(name));
    name[64] = 'u';
    name[4096] = '\0';
    assert_refused("app", json_string(name));
}

/* One of the services that come second is wrong: nothing of the first is left behind. */
static void assert_service_refused(json_t *second, const char *word) {
    struct plan plan, untouched;
    char why[256] = "";
    json_t *body = good_body();
    assert_non_null(second);
    memset(&plan, 0x5a, sizeof(plan));
    memcpy(&untouched, &plan, sizeof(plan));
    assert_int_equal(json_array_set_new(json_object_get(body, "services"), 1, second), 0);
    if (plan_load(body, &plan, why, sizeof(why)) == 0)
        fail_msg("a service that is wrong in \"%s\" was taken", word);
    if (!strstr(why, word))
        fail_msg("\"%s\" does not name %s", why, word);
    assert_memory_equal(&plan, &untouched, sizeof(plan));
    json_decref(body);
}

static json_t *service_row(const char *name, json_t *config, json_int_t listener) {
    return json_pack("{s:s, s:o, s:I}", "service", name, "config", config, "listener",
                     listener);
}

static void every_service_is_checked(void **state) {
    (void)state;
    json_t *wrong = json_pack("{s:s}", "x", "y");
    assert_service_refused(service_row("not a name", json_object(), -1), "not a name");
    assert_service_refused(service_row("b", wrong, -1), "x");
    assert_service_refused(service_row("b", json_object(), -2), "listener");
    assert_service_refused(service_row("b", json_object(), (json_int_t)INT32_MAX + 1),
                           "listener");
    assert_service_refused(json_pack("{s:s, s:{}}", "service", "b", "config"), "listener");
    assert_service_refused(json_pack("{s:{}, s:i}", "config", "listener", 7), "service");
    assert_service_refused(json_integer(1), "object");
}

static void there_is_a_service(void **state) {
    (void)state;
    json_t *many = json_array();
    for (int i = 0; i <= CONFIG_SERVICES_MAX; i++)
        json_array_append_new(many, service_row("a", json_object(), -1));
    assert_refused("services", json_array());
    assert_refused("services", many);
}

static void a_process_without_listener_is_fine(void **state) {
    (void)state;
    struct plan plan;
    char why[256];
    json_t *body = good_body();
    json_object_set_new(body, "services",
                        json_pack("[o]", service_row("alone", json_object(), -1)));
    json_object_set_new(body, "log_level", json_string("louder")); /* of a newer master */
    assert_int_equal(plan_load(body, &plan, why, sizeof(why)), 0);
    assert_int_equal(plan.service_count, 1);
    assert_int_equal(plan.services[0].listener_fd, -1);
    assert_int_equal(plan.log_level, CREW_LOG_NOTICE);
    plan_done(&plan);
    json_decref(body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_arrives),
        cmocka_unit_test(numbers_have_ranges),
        cmocka_unit_test(a_user_is_never_cut),
        cmocka_unit_test(every_service_is_checked),
        cmocka_unit_test(there_is_a_service),
        cmocka_unit_test(a_process_without_listener_is_fine),
    };
    return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
