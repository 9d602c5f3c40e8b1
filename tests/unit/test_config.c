/* SPDX-License-Identifier: MIT
 *
 * The configuration by its cases in ../config: bad/NAME.json must give exactly the lines of
 * NAME.expect, good/NAME.json the effective config of NAME.expect; NAME.apps holds what apps
 * declare. What takes more than a file is in test_config_api.c.
 */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"

#define APPS_MAX 8

/* A case runs in its folder, so that the errors begin with the bare name of its file. */
static char *case_path(const char *name, const char *ending) {
    char *path = NULL;
    assert_true(asprintf(&path, "%.*s%s", (int)(strlen(name) - strlen(".json")), name, ending) >
                0);
    return path;
}

static char *read_text(const char *name, const char *ending) {
    char *path = case_path(name, ending), *text = calloc(1, 65536);
    FILE *file = fopen(path, "re");
    if (!file || !text)
        fail_msg("%s: %s", path, strerror(errno));
    text[fread(text, 1, 65535, file)] = '\0';
    fclose(file);
    free(path);
    return text;
}

/* NULL when the case has no apps: then only the first step is run. */
static json_t *read_apps(const char *name, struct config_app *out_apps, size_t *out_count) {
    char *path = case_path(name, ".apps");
    json_error_t error;
    json_t *apps = json_load_file(path, 0, &error), *app;
    size_t i;
    if (!apps && access(path, F_OK) == 0)
        fail_msg("%s: %s", path, error.text);
    free(path);
    assert_true(json_array_size(apps) <= APPS_MAX);
    json_array_foreach(apps, i, app) {
        out_apps[i].path = json_string_value(json_object_get(app, "path"));
        out_apps[i].description = json_object_get(app, "description");
    }
    *out_count = json_array_size(apps);
    return apps;
}

static int load_case(const char *name, struct config **out_config,
                     struct config_errors *out_errors) {
    struct config_app apps[APPS_MAX];
    struct config *config = NULL;
    size_t count;
    json_t *described = read_apps(name, apps, &count);
    int rc = config_read(name, NULL, &config, out_errors);
    if (rc == 0 && described)
        rc = config_merge(config, apps, count, out_errors);
    json_decref(described);
    if (rc == 0)
        *out_config = config;
    else
        config_free(config);
    return rc;
}

static char *join(const struct config_errors *errors) {
    char *text = calloc(1, 65536);
    assert_non_null(text);
    for (size_t i = 0; i < errors->count; i++) {
        size_t used = strlen(text);
        snprintf(text + used, 65536 - used, "%s\n", errors->lines[i]);
    }
    return text;
}

static bool check_bad(const char *name) {
    struct config *config = NULL;
    struct config_errors errors = {0};
    int rc = load_case(name, &config, &errors);
    char *expected = read_text(name, ".expect"), *found = join(&errors);
    bool is_right = rc == -EINVAL && strcmp(expected, found) == 0;
    if (!is_right)
        print_error("%s: %d, found\n%sexpected\n%s", name, rc, found, expected);
    if (rc == 0)
        config_free(config);
    config_errors_done(&errors);
    free(expected);
    free(found);
    return is_right;
}

/* "auto" depends on the machine: where it is expected, any size is right. */
static void forget_machine(json_t *found, const json_t *expected) {
    const char *name;
    json_t *service;
    json_object_foreach(json_object_get(found, "services"), name, service) {
        json_t *limits = json_object_get(service, "limits");
        const json_t *wanted = json_object_get(
            json_object_get(json_object_get(json_object_get(expected, "services"), name),
                            "limits"),
            "memory");
        const char *memory = json_string_value(json_object_get(limits, "memory"));
        if (memory && wanted && strcmp(json_string_value(wanted), "auto") == 0 &&
            strcmp(memory, "auto") != 0)
            json_object_set_new(limits, "memory", json_string("auto"));
    }
}

static bool check_good(const char *name) {
    struct config *config = NULL;
    struct config_errors errors = {0};
    int rc = load_case(name, &config, &errors);
    char *text = read_text(name, ".expect");
    json_t *expected = json_loads(text, 0, NULL);
    json_t *found = rc == 0 ? config_effective(config) : NULL;
    forget_machine(found, expected);
    bool is_right = rc == 0 && json_equal(expected, found);
    if (!is_right) {
        char *shown = rc == 0 ? json_dumps(found, JSON_INDENT(2)) : join(&errors);
        print_error("%s: %d, found\n%s\nexpected\n%s", name, rc, shown, text);
        free(shown);
    }
    if (rc == 0)
        config_free(config);
    config_errors_done(&errors);
    json_decref(expected);
    json_decref(found);
    free(text);
    return is_right;
}

static int is_case(const struct dirent *entry) {
    size_t len = strlen(entry->d_name);
    return len > 5 && strcmp(entry->d_name + len - 5, ".json") == 0;
}

static void check_all(const char *folder, int at_least, bool (*check)(const char *)) {
    struct dirent **cases = NULL;
    int wrong = 0, count = 0;
    assert_int_equal(chdir(folder), 0);
    count = scandir(".", &cases, is_case, alphasort);
    assert_true(count >= at_least);
    for (int i = 0; i < count; i++) {
        wrong += !check(cases[i]->d_name);
        free(cases[i]);
    }
    free(cases);
    assert_int_equal(wrong, 0);
}

static int home;

static int go_home(void **state) {
    (void)state;
    return fchdir(home);
}

static void test_bad(void **state) {
    (void)state;
    check_all("../config/bad", 80, check_bad);
}

static void test_good(void **state) {
    (void)state;
    check_all("../config/good", 6, check_good);
}

/* What `crewman check` prints is a config that means the same. */
static void test_effective_is_a_config(void **state) {
    char path[] = "/tmp/crewman-test-XXXXXX";
    struct config *config = NULL, *again = NULL;
    struct config_errors errors = {0};
    struct config_app apps[APPS_MAX];
    size_t count;
    (void)state;
    assert_int_equal(chdir("../config/good"), 0);
    assert_int_equal(load_case("every-key.json", &config, &errors), 0);
    json_t *first = config_effective(config);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(json_dumpfd(first, fd, 0), 0);
    close(fd);
    assert_int_equal(config_read(path, NULL, &again, &errors), 0);
    unlink(path);
    json_t *described = read_apps("every-key.json", apps, &count);
    assert_int_equal(config_merge(again, apps, count, &errors), 0);
    json_t *second = config_effective(again);
    assert_true(json_equal(first, second));
    json_decref(first);
    json_decref(second);
    json_decref(described);
    config_free(config);
    config_free(again);
}

/* Every key of the sample stands there with a value that is in force when it is used. */
static void test_sample(void **state) {
    struct config *config = NULL;
    struct config_errors errors = {0};
    json_error_t error;
    (void)state;
    json_t *description = json_loads("{\"services\": [{\"name\": \"chat\"}]}", 0, &error);
    struct config_app app = {"/srv/chat/chat.so", description};
    if (config_read("../../etc/crewman.json", NULL, &config, &errors) < 0)
        fail_msg("%s", errors.lines[0]);
    assert_int_equal(config_merge(config, &app, 1, &errors), 0);
    assert_string_equal(config->run_dir, "/run/crewman");
    assert_string_equal(config->log_file, "/var/log/crewman.log");
    assert_int_equal(config->watchdog_ms, 60000);
    assert_int_equal(config->reload_spread_ms, 3000);
    assert_int_equal(config->services[0].heartbeat.ping_interval_ms, 25000);
    assert_int_equal(config->services[0].limits.max_message, 10485760);
    assert_int_equal(config->services[0].socket_mode, 0660);
    config_free(config);
    json_decref(description);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_bad, go_home),
        cmocka_unit_test_teardown(test_good, go_home),
        cmocka_unit_test_teardown(test_effective_is_a_config, go_home),
        cmocka_unit_test_teardown(test_sample, go_home),
    };
    DIR *here = opendir(".");
    if (!here)
        return 1;
    home = dirfd(here);
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    closedir(here);
    return rc;
}
