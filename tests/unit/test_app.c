/* SPDX-License-Identifier: MIT
 *
 * Descriptors of apps that were compiled with an older or a newer header: what they know is
 * read, what they do not know is zero. What is refused is in tests/process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "app.h"
#include "custom.h"
#include "worker.h"

struct worker *worker_self(void) {
    return NULL;
}

static int on_start(const struct crew_service_ref *service) {
    (void)service;
    return 0;
}

static void on_open(crew_conn *conn) {
    (void)conn;
}

/* The table that an app has with services of `size` bytes, cut or continued with 0xff. */
static struct crew_app app_with(size_t size, char *table, const char *const *names,
                                uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        struct crew_service service = {.name = names[i],
                                       .workers = i + 1,
                                       .on_worker_start = on_start,
                                       .on_open = on_open};
        memset(table + i * size, 0xff, size);
        memcpy(table + i * size, &service, size < sizeof(service) ? size : sizeof(service));
    }
    return (struct crew_app){.magic = CREW_MAGIC,
                             .abi = CREW_ABI,
                             .size = sizeof(struct crew_app),
                             .service_size = (uint32_t)size,
                             .protocol_size = sizeof(struct crew_protocol),
                             .service_count = count,
                             .services = (const struct crew_service *)(void *)table,
                             .version = "0.0.9"};
}

static const char *const names[] = {"one", "two", "three"};
static _Alignas(64) char table[4096];

static void fields_that_the_app_lacks_are_zero(void **state) {
    (void)state;
    struct crew_service service, zero = {0};
    struct crew_protocol protocol;
    size_t size = offsetof(struct crew_service, on_open);
    struct crew_app app = app_with(size, table, names, 3);
    memset(&service, 0x5a, sizeof(service));
    assert_int_equal(app_service(&app, "two", &service, &protocol), 0);
    assert_string_equal(service.name, "two");
    assert_int_equal(service.workers, 2);
    assert_ptr_equal(service.on_worker_start, on_start);
    assert_memory_equal((char *)&service + size, (char *)&zero + size, sizeof(service) - size);
}

static void fields_that_we_lack_are_left_out(void **state) {
    (void)state;
    struct crew_service service;
    struct crew_protocol protocol;
    struct crew_app app = app_with(sizeof(service) + 64, table, names, 3);
    assert_int_equal(app_service(&app, "three", &service, &protocol), 0);
    assert_string_equal(service.name, "three");
    assert_int_equal(service.workers, 3);
    assert_ptr_equal(service.on_open, on_open);
    assert_null(service.on_message);
}

static void an_unknown_service_is_told(void **state) {
    (void)state;
    struct crew_service service = {.workers = 4711};
    struct crew_protocol protocol;
    struct crew_app app = app_with(sizeof(service), table, names, 3);
    assert_int_equal(app_service(&app, "four", &service, &protocol), CREW_ENOENT);
    assert_int_equal(service.workers, 4711);
}

static void the_description_has_all_services(void **state) {
    (void)state;
    char why[256];
    struct crew_app app = app_with(offsetof(struct crew_service, on_open), table, names, 3);
    json_t *description = app_describe(&app, "x.so", why, sizeof(why));
    assert_non_null(description);
    assert_int_equal(json_integer_value(json_object_get(description, "v")), 1);
    assert_int_equal(json_integer_value(json_object_get(description, "abi")), CREW_ABI);
    assert_string_equal(json_string_value(json_object_get(description, "version")),
                        CREW_VERSION);
    json_t *services = json_object_get(description, "services");
    assert_int_equal(json_array_size(services), 3);
    json_t *last = json_array_get(services, 2);
    assert_string_equal(json_string_value(json_object_get(last, "name")), "three");
    assert_string_equal(json_string_value(json_object_get(last, "listen")), "");
    assert_string_equal(json_string_value(json_object_get(last, "label")), "");
    assert_null(json_object_get(last, "reloadable"));
    assert_int_equal(json_integer_value(json_object_get(last, "workers")), 3);
    assert_true(json_is_object(json_object_get(last, "config")));
    json_decref(description);
}

static const struct crew_protocol long_protocol = {.name = "own", .state_size = 7};

static void a_protocol_is_cut_at_what_the_app_knows(void **state) {
    (void)state;
    struct crew_service service;
    struct crew_protocol protocol;
    struct crew_app app = app_with(sizeof(service), table, names, 1);
    ((struct crew_service *)(void *)table)->protocol = &long_protocol;
    app.protocol_size = offsetof(struct crew_protocol, state_size);
    assert_int_equal(app_service(&app, "one", &service, &protocol), 0);
    assert_ptr_equal(service.protocol, &protocol);
    assert_string_equal(protocol.name, "own");
    assert_int_equal(protocol.state_size, 0);
}

static void a_text_that_is_no_utf8_is_told(void **state) {
    (void)state;
    char why[256];
    struct crew_app app = app_with(sizeof(struct crew_service), table, names, 1);
    struct crew_service *service = (void *)table;
    *service = (struct crew_service){.name = "one", .label = "\xff"};
    assert_null(app_describe(&app, "x.so", why, sizeof(why)));
    assert_string_equal(why, "x.so: service \"one\": its label is no UTF-8");
}

static ptrdiff_t take_all(crew_conn *conn, const char *data, size_t len) {
    (void)conn;
    (void)data;
    return (ptrdiff_t)len;
}

/* It would hide its connections from "crewman connections". */
static void a_framing_whose_name_is_no_utf8_is_told(void **state) {
    (void)state;
    char why[256];
    struct crew_protocol protocol = {.name = "netstring\xff", .input = take_all};
    const struct config_service config = {.name = "one", .listen.protocol = LISTEN_TCP};
    assert_int_equal(custom_check(&protocol, &config, why, sizeof(why)), CREW_EINVAL);
    assert_string_equal(why, "services.one: the name of its protocol is no UTF-8");
    protocol.name = "\xe7\xbd\x91";
    assert_int_equal(custom_check(&protocol, &config, why, sizeof(why)), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_that_the_app_lacks_are_zero),
        cmocka_unit_test(fields_that_we_lack_are_left_out),
        cmocka_unit_test(an_unknown_service_is_told),
        cmocka_unit_test(a_protocol_is_cut_at_what_the_app_knows),
        cmocka_unit_test(a_text_that_is_no_utf8_is_told),
        cmocka_unit_test(a_framing_whose_name_is_no_utf8_is_told),
        cmocka_unit_test(the_description_has_all_services),
    };
    return cmocka_run_group_tests_name("app", tests, NULL, NULL);
}
