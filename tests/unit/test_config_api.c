/* SPDX-License-Identifier: MIT
 *
 * What a configuration does beyond single files: paths, bounds, broken bytes, merging twice,
 * the worker's side, and what a reload may change.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "config_table.h"
#include "config_text.h"
#include "crewman.h"

static char folder[] = "/tmp/crewman-test-XXXXXX";

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    unlink("c.json");
    return chdir("/") == 0 ? rmdir(folder) : -1;
}

static void write_bytes(const char *data, size_t len) {
    FILE *file = fopen("c.json", "we");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static struct config *read_text(const char *text) {
    struct config *config = NULL;
    struct config_errors errors = {0};
    write_bytes(text, strlen(text));
    if (config_read("c.json", NULL, &config, &errors) < 0)
        fail_msg("%s", errors.lines[0]);
    return config;
}

/* The only line that these bytes give. */
static void check_bytes(const char *data, size_t len, const char *expected) {
    struct config *config = NULL;
    struct config_errors errors = {0};
    write_bytes(data, len);
    assert_int_equal(config_read("c.json", NULL, &config, &errors), -EINVAL);
    assert_null(config);
    assert_int_equal(errors.count, 1);
    assert_string_equal(errors.lines[0], expected);
    config_errors_done(&errors);
}

static void check_unreadable(const char *path, const char *expected) {
    struct config *config = NULL;
    struct config_errors errors = {0};
    assert_int_equal(config_read(path, NULL, &config, &errors), -EINVAL);
    assert_int_equal(errors.count, 1);
    assert_string_equal(errors.lines[0], expected);
    config_errors_done(&errors);
}

static void test_unreadable(void **state) {
    (void)state;
    check_unreadable("none.json", "none.json: cannot be read: No such file or directory");
    check_unreadable("/", "/: found a folder; expected a file");
    check_unreadable("/dev/null", "/dev/null: found a pipe or a device; expected a file");
    assert_int_equal(mkfifo("fifo", 0600), 0);
    check_unreadable("fifo", "fifo: found a pipe or a device; expected a file");
    unlink("fifo");
}

static void test_broken_bytes(void **state) {
    static const char nul[] = "{\n  \"app\"\0: 1 }", utf16[] = "\xFF\xFE{\0}\0",
                      utf8[] = "{ \"\xC3\xA4\": \"\xC3\x28\" }", outside[] = "{ \xC3\xA4: 1 }",
                      control[] = "{ \x01 }";
    (void)state;
    check_bytes(nul, sizeof(nul) - 1, "c.json:2:8: found a NUL byte; expected text");
    check_bytes(utf16, sizeof(utf16) - 1, "c.json:1:1: found UTF-16; expected UTF-8");
    check_bytes(utf8, sizeof(utf8) - 1,
                "c.json:1:9: found a byte that is not UTF-8; expected UTF-8");
    check_bytes(outside, sizeof(outside) - 1,
                "c.json:1:3: found \"\xC3\xA4\"; expected a key in double quotes, or \"}\"");
    check_bytes(
        control, sizeof(control) - 1,
        "c.json:1:3: found a control character; expected a key in double quotes, or \"}\"");
}

static void test_byte_order_mark(void **state) {
    (void)state;
    struct config *config =
        read_text("\xEF\xBB\xBF{ \"watchdog\": \"5s\" }\r\n// \xE4 latin\r\n");
    assert_int_equal(config->watchdog_ms, 5000);
    config_free(config);
    check_bytes(
        "\xEF\xBB\xBF{ \"watchdog\": 5 }", 20,
        "c.json:1:15: watchdog: found 5; expected a duration like \"30s\", from 2s to 1d, "
        "or 0 (off)");
}

static void test_size_bound(void **state) {
    size_t len = CONFIG_TEXT_MAX;
    char *text = malloc(len + 1);
    struct config *config = NULL;
    struct config_errors errors = {0};
    (void)state;
    assert_non_null(text);
    memset(text, ' ', len + 1);
    memcpy(text, "{ }", 3);
    write_bytes(text, len);
    assert_int_equal(config_read("c.json", NULL, &config, &errors), 0);
    config_free(config);
    check_bytes(text, len + 1, "c.json: found more than 1 MiB; expected at most that");
    free(text);
}

/* A file of nothing but errors costs neither minutes nor memory. */
static void test_error_bound(void **state) {
    struct config *config = NULL;
    struct config_errors errors = {0};
    char *text = calloc(1, CONFIG_TEXT_MAX);
    size_t len = 1;
    (void)state;
    assert_non_null(text);
    text[0] = '{';
    for (int i = 0; len + 32 < CONFIG_TEXT_MAX; i++)
        len += (size_t)snprintf(text + len, 32, "\"k%d\":%d,", i, i);
    text[len - 1] = '}';
    write_bytes(text, len);
    free(text);
    assert_int_equal(config_read("c.json", NULL, &config, &errors), -EINVAL);
    assert_int_equal(errors.count, 101);
    assert_string_equal(errors.lines[0], "c.json:1:2: k0: unknown key");
    assert_string_equal(errors.lines[100], "too many errors; the rest is not shown");
    config_errors_done(&errors);
}

static void test_line_bound(void **state) {
    struct config *config = NULL;
    struct config_errors errors = {0};
    size_t half = 200000;
    char *text = malloc(2 * half + 32);
    (void)state;
    assert_non_null(text);
    memcpy(text, "{\"", 2);
    memset(text + 2, 'k', half);
    memcpy(text + 2 + half, "\":1,\"app\":[\"", 12);
    memset(text + 14 + half, 'v', half);
    memcpy(text + 14 + 2 * half, "\"]}", 3);
    write_bytes(text, 2 * half + 17);
    free(text);
    assert_int_equal(config_read("c.json", NULL, &config, &errors), -EINVAL);
    assert_int_equal(errors.count, 2);
    assert_true(strlen(errors.lines[0]) < 400 && strlen(errors.lines[1]) < 400);
    config_errors_done(&errors);
}

static void test_paths(void **state) {
    char expected[128];
    (void)state;
    struct config *config =
        read_text("{ \"app\": [ \"a.so\", \"/b.so\" ], \"run_dir\": \"run\" }");
    assert_int_equal(config->app_count, 2);
    snprintf(expected, sizeof(expected), "%s/a.so", folder);
    assert_string_equal(config->apps[0], expected);
    assert_string_equal(config->apps[1], "/b.so");
    snprintf(expected, sizeof(expected), "%s/run", folder);
    assert_string_equal(config->run_dir, expected);
    snprintf(expected, sizeof(expected), "%s/c.json", folder);
    assert_string_equal(config->path, expected);
    config_free(config);
}

static void test_run_dir_override(void **state) {
    struct config *config = NULL;
    struct config_errors errors = {0};
    char expected[128];
    (void)state;
    write_bytes("{ \"run_dir\": \"/run/a\" }", 23);
    assert_int_equal(config_read("c.json", "/run/b", &config, &errors), 0);
    assert_string_equal(config->run_dir, "/run/b");
    config_free(config);
    assert_int_equal(config_read("c.json", "here", &config, &errors), 0);
    snprintf(expected, sizeof(expected), "%s/here", folder);
    assert_string_equal(config->run_dir, expected);
    config_free(config);
    assert_int_equal(config_read(NULL,
                                 "/run/a-folder-with-a-name-that-leaves-no-room-for-sockets",
                                 &config, &errors),
                     -EINVAL);
    assert_string_equal(errors.lines[0],
                        "--run-dir: found \"/run/a-folder-with-a-name-that-leaves-no-room-for-"
                        "sockets\"; expected an absolute path of at most 51 bytes, so that the "
                        "sockets in it can be named");
    config_errors_done(&errors);
}

static void test_defaults(void **state) {
    struct config *config = NULL;
    struct config_errors errors = {0};
    (void)state;
    assert_int_equal(config_read(NULL, NULL, &config, &errors), 0);
    assert_null(config->path);
    assert_int_equal(config->app_count, 0);
    assert_string_equal(config->user, "");
    assert_string_equal(config->log_file, "");
    assert_int_equal(config->log_level, CREW_LOG_NOTICE);
    assert_int_equal(config->stop_timeout_ms, 2000);
    assert_int_equal(config->drain_timeout_ms, 30000);
    assert_int_equal(config->service_count, 0);
    if (geteuid() == 0)
        assert_string_equal(config->run_dir, "/run/crewman");
    else
        assert_non_null(strstr(config->run_dir, "/crewman"));
    config_free(config);
}

static json_t *describe(const char *services) {
    json_error_t error;
    json_t *list = json_loads(services, 0, &error);
    if (!list)
        fail_msg("%s", error.text);
    return json_pack("{s:i, s:o}", "v", 1, "services", list);
}

static int merge(struct config *config, const char *services, struct config_errors *errors) {
    json_t *description = describe(services);
    struct config_app app = {"/srv/app.so", description};
    int rc = config_merge(config, &app, 1, errors);
    json_decref(description);
    return rc;
}

static void test_merge_again(void **state) {
    struct config_errors errors = {0};
    (void)state;
    struct config *config =
        read_text("{ \"app\": \"/x.so\", \"services\": { \"a\": { \"backlog\": 7 } } }");
    assert_int_equal(merge(config, "[{\"name\":\"a\",\"workers\":3}]", &errors), 0);
    /* A failure leaves everything as it was. */
    assert_int_equal(merge(config, "[{\"name\":\"b\"}]", &errors), -EINVAL);
    config_errors_done(&errors);
    assert_int_equal(config->service_count, 1);
    assert_int_equal(config->services[0].workers, 3);
    assert_int_equal(config->app_count, 1);
    assert_string_equal(config->apps[0], "/srv/app.so");
    assert_int_equal(
        merge(config, "[{\"name\":\"a\"},{\"name\":\"b\",\"workers\":9}]", &errors), 0);
    assert_int_equal(config->service_count, 2);
    assert_int_equal(config->services[0].backlog, 7);
    assert_int_equal(config->services[1].workers, 9);
    assert_string_equal(config->services[1].app, "/srv/app.so");
    config_free(config);
}

static void test_workers_auto(void **state) {
    struct config_errors errors = {0};
    cpu_set_t set;
    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
    struct config *config = read_text("{ }");
    assert_int_equal(merge(config, "[{\"name\":\"a\",\"workers\":0}]", &errors), 0);
    assert_int_equal(config->services[0].workers, CPU_COUNT(&set));
    config_free(config);
}

static void test_service_load(void **state) {
    struct config_errors errors = {0};
    struct config_service service;
    char why[512];
    (void)state;
    struct config *config = read_text(
        "{ \"services\": { \"a\": { \"listen\": \"text://[::1]:99\", \"workers\": 4,"
        " \"socket\": { \"mode\": \"0600\" }, \"heartbeat\": { \"client_ping\": \"hi\" },"
        " \"limits\": { \"max_send_buffer\": 123456, \"headers\": 77 } } } }");
    assert_int_equal(merge(config, "[{\"name\":\"a\"}]", &errors), 0);
    const struct config_service *sent = &config->services[0];
    assert_int_equal(config_service_load("a", sent->effective, &service, why, sizeof(why)), 0);
    assert_string_equal(service.name, "a");
    assert_string_equal(service.app, "/srv/app.so");
    assert_int_equal(service.listen.protocol, LISTEN_TEXT);
    assert_memory_equal(&service.listen.addr, &sent->listen.addr, sizeof(service.listen.addr));
    assert_int_equal(service.workers, 4);
    assert_int_equal(service.socket_mode, 0600);
    assert_string_equal(service.heartbeat.client_ping, "hi");
    assert_int_equal(service.limits.max_send_buffer, 123456);
    assert_int_equal(service.limits.headers, 77);
    assert_true(json_equal(service.effective, sent->effective));
    config_service_done(&service);
    assert_null(service.app);
    config_free(config);
}

static void test_service_load_refuses(void **state) {
    struct config_service service = {.workers = 4711};
    char why[512];
    json_t *wrong = json_pack("{s:i, s:s}", "workers", 0, "backlog", "x");
    json_t *crossed = json_pack("{s:{s:s}}", "heartbeat", "idle_timeout", "5s");
    json_t *empty = json_object();
    (void)state;
    assert_int_equal(config_service_load("a", wrong, &service, why, sizeof(why)), -EINVAL);
    assert_string_equal(why,
                        "plan: services.a.workers: found 0; expected a number from 1 to 512, "
                        "or \"auto\"");
    assert_int_equal(config_service_load("a", crossed, &service, why, sizeof(why)), -EINVAL);
    assert_int_equal(config_service_load("A", empty, &service, why, sizeof(why)), -EINVAL);
    assert_int_equal(config_service_load("a", NULL, &service, why, sizeof(why)), -EINVAL);
    assert_int_equal(service.workers, 4711);
    /* From a master that knows fewer keys: the defaults. */
    assert_int_equal(config_service_load("a", empty, &service, why, sizeof(why)), 0);
    assert_int_equal(service.backlog, 4096);
    config_service_done(&service);
    json_decref(wrong);
    json_decref(crossed);
    json_decref(empty);
}

static size_t conflicts(const char *old_text, const char *new_text,
                        struct config_errors *errors) {
    static const char services[] = "[{\"name\":\"a\",\"listen\":\"tcp://0.0.0.0:80\"}]";
    struct config *old = read_text(old_text);
    assert_int_equal(merge(old, services, errors), 0);
    struct config *new = read_text(new_text);
    assert_int_equal(merge(new, services, errors), 0);
    size_t count = config_reload_conflicts(old, new, errors);
    config_free(old);
    config_free(new);
    return count;
}

static void test_reload_conflicts(void **state) {
    struct config_errors errors = {0};
    (void)state;
    assert_int_equal(conflicts("{ \"run_dir\": \"/run/a\" }",
                               "{\n  \"run_dir\": \"/run/b\", \"watchdog\": \"9s\" }", &errors),
                     1);
    assert_int_equal(conflicts("{ }",
                               "{ \"services\": { \"a\": {\n  \"backlog\": 5, \"workers\": 5,\n"
                               "  \"reuse_port\": true } } }",
                               &errors),
                     2);
    assert_int_equal(conflicts("{ }", "{ \"log\": { \"file\": \"/x.log\" } }", &errors), 1);
    assert_int_equal(errors.count, 4);
    assert_string_equal(errors.lines[0], "c.json:2:14: run_dir: found \"/run/b\"; expected "
                                         "\"/run/a\", as only a restart can change it");
    assert_string_equal(
        errors.lines[1],
        "c.json:3:17: services.a.reuse_port: found true; expected false, as only a "
        "restart can change it");
    assert_string_equal(errors.lines[2],
                        "c.json:2:14: services.a.backlog: found 5; expected 4096, "
                        "as only a restart can change it");
    config_errors_done(&errors);
}

static void test_reload_may_change(void **state) {
    struct config_errors errors = {0};
    (void)state;
    assert_int_equal(conflicts("{ }", "{ }", &errors), 0);
    assert_int_equal(
        conflicts(
            "{ }",
            "{ \"app\": \"/y.so\", \"log\": { \"level\": \"debug\" }, \"stop_timeout\": \"9s\","
            " \"services\": { \"a\": { \"listen\": \"tcp://0.0.0.0:81\", \"backlog\": 5,"
            " \"reuse_port\": true, \"limits\": { \"headers\": 9 } } } }",
            &errors),
        0);
    assert_int_equal(errors.count, 0);
}

/* Paths are unique, groups stand together, every row has help: the sample and the manual count
 * on it. */
static void check_table(enum config_scope scope) {
    const struct config_table *table = config_table_get(scope);
    for (size_t i = 0; i < table->count; i++) {
        const struct config_row *row = &table->rows[i];
        assert_ptr_equal(config_table_find(scope, row->path), row);
        assert_false(config_table_has_group(scope, row->path));
        assert_true(strlen(row->help) > 10);
        size_t group = strcspn(row->path, ".") + 1;
        for (size_t j = i + 1; row->path[group - 1] == '.' && j < table->count; j++)
            if (strncmp(table->rows[j].path, row->path, group) == 0 && j > i + 1)
                assert_int_equal(strncmp(table->rows[j - 1].path, row->path, group), 0);
    }
}

static void test_table(void **state) {
    (void)state;
    check_table(CONFIG_OF_INSTANCE);
    check_table(CONFIG_OF_SERVICE);
    assert_null(config_table_find(CONFIG_OF_SERVICE, "heartbeat"));
    assert_true(config_table_has_group(CONFIG_OF_SERVICE, "heartbeat"));
    assert_false(config_table_has_group(CONFIG_OF_SERVICE, "heart"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_broken_bytes),
        cmocka_unit_test(test_byte_order_mark),
        cmocka_unit_test(test_size_bound),
        cmocka_unit_test(test_error_bound),
        cmocka_unit_test(test_line_bound),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_run_dir_override),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_merge_again),
        cmocka_unit_test(test_workers_auto),
        cmocka_unit_test(test_service_load),
        cmocka_unit_test(test_service_load_refuses),
        cmocka_unit_test(test_reload_conflicts),
        cmocka_unit_test(test_reload_may_change),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
