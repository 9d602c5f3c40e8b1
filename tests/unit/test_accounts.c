/* SPDX-License-Identifier: MIT
 *
 * A user whom the system knows and a moment later not, as happens where accounts come over the
 * network: the configuration has this user or is refused. Nobody is left to run as root.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "identity.h"

enum { LOOKUPS_MAX = 40 };

static unsigned known; /* so many lookups find it */

int __wrap_identity_find_user(const char *text, struct account *out_account);
int __wrap_identity_find_user(const char *text, struct account *out_account) {
    if (known == 0)
        return -ENOENT;
    known--;
    *out_account = (struct account){.is_known = true, .uid = 4711, .gid = 4711};
    snprintf(out_account->name, sizeof(out_account->name), "%s", text);
    return 0;
}

static const char *write_file(const char *text) {
    static char path[] = "/tmp/crewman-accounts-XXXXXX";
    static int fd = -1;
    if (fd < 0)
        fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pwrite(fd, text, strlen(text), 0), strlen(text));
    return path;
}

/* Answers whether it was taken; then all its services run as `user`. */
static bool take(const char *text, const char *user) {
    struct config_errors errors = {0};
    struct config *config;
    json_t *description =
        json_pack("{s:i, s:[{s:s, s:s}, {s:s, s:s}]}", "v", 1, "services", "name", "echo",
                  "process", "both", "name", "talk", "process", "both");
    struct config_app app = {"/srv/app.so", description};
    int err = config_read(write_file(text), "/run/accounts", &config, &errors);
    if (!err && config_merge(config, &app, 1, &errors) != 0) {
        config_free(config);
        err = -EINVAL;
    }
    json_decref(description);
    config_errors_done(&errors);
    if (err)
        return false;
    assert_int_equal(config->service_count, 2);
    for (size_t i = 0; i < config->service_count; i++)
        assert_string_equal(config->services[i].user, user);
    config_free(config);
    return true;
}

static void try_all(const char *text, const char *user) {
    unsigned taken = 0, refused = 0;
    for (unsigned lookups = 0; lookups < LOOKUPS_MAX; lookups++) {
        known = lookups;
        if (take(text, user))
            taken++;
        else
            refused++;
    }
    assert_true(taken > 0 && refused > 0);
}

static void the_user_of_the_instance(void **state) {
    (void)state;
    try_all("{\"user\": \"crew\"}", "crew");
}

static void the_user_of_one_service_of_a_process(void **state) {
    (void)state;
    try_all("{\"services\": {\"echo\": {\"user\": \"crew\"}}}", "crew");
}

static int clean_up(void **state) {
    (void)state;
    return unlink(write_file(""));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_user_of_the_instance),
        cmocka_unit_test(the_user_of_one_service_of_a_process),
    };
    return cmocka_run_group_tests_name("accounts", tests, NULL, clean_up);
}
