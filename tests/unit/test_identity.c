/* SPDX-License-Identifier: MIT
 *
 * Who a process becomes, and what it may do then. Becoming another user cannot be undone, so it
 * is tried in children.
 */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "identity.h"
#include "privileges.h"

static char why[256];

static void names_are_looked_up(void **state) {
    (void)state;
    struct identity identity;
    const struct passwd *entry = getpwnam("nobody");
    assert_non_null(entry);
    assert_int_equal(identity_find("nobody", "", &identity, why, sizeof(why)), 0);
    assert_true(identity.is_set);
    assert_int_equal(identity.account.uid, entry->pw_uid);
    assert_int_equal(identity.gid, entry->pw_gid);
    assert_string_equal(identity.user, "nobody");
    const struct group *group = getgrnam("daemon");
    assert_non_null(group);
    assert_int_equal(identity_find("nobody", "daemon", &identity, why, sizeof(why)), 0);
    assert_int_equal(identity.gid, group->gr_gid);
}

static void numbers_are_users_too(void **state) {
    (void)state;
    struct identity identity;
    const struct passwd *entry = getpwnam("nobody");
    char number[16];
    snprintf(number, sizeof(number), "%u", entry->pw_uid);
    assert_int_equal(identity_find(number, "", &identity, why, sizeof(why)), 0);
    assert_int_equal(identity.account.uid, entry->pw_uid);
    assert_int_equal(identity.gid, entry->pw_gid);
    assert_string_equal(identity.account.name, "nobody");
    assert_int_equal(identity_find("3543210", "4294967294", &identity, why, sizeof(why)), 0);
    assert_int_equal(identity.account.uid, 3543210);
    assert_int_equal(identity.gid, 4294967294u);
    assert_false(identity.account.is_known);
}

static void a_number_without_account_has_no_group(void **state) {
    (void)state;
    struct identity identity;
    assert_int_equal(identity_find("3543210", "", &identity, why, sizeof(why)), -EINVAL);
    assert_string_equal(why,
                        "user \"3543210\" has no account on this machine; set \"group\" too");
}

/* To setresuid(2) 4294967295 means "no change": that would be root. */
static void numbers_that_are_nobodys(void **state) {
    (void)state;
    static const char *const texts[] = {"4294967295", "4294967296", "18446744073709551616",
                                        "-1",         "+33",        "0x21",
                                        " 33",        "33 ",        "3.0"};
    struct account account;
    gid_t group;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(identity_find_user(texts[i], &account), -ENOENT);
        assert_int_equal(identity_find_group(texts[i], &group), -ENOENT);
    }
}

static void no_user_is_to_stay(void **state) {
    (void)state;
    struct identity identity = {.is_set = true};
    assert_int_equal(identity_find(NULL, NULL, &identity, why, sizeof(why)), 0);
    assert_false(identity.is_set);
    assert_int_equal(identity_find("", "", &identity, why, sizeof(why)), 0);
    assert_false(identity.is_set);
    assert_int_equal(identity_become(&identity, why, sizeof(why)), 0);
}

static void unknown_names_are_told(void **state) {
    (void)state;
    struct identity identity = {.gid = 4711};
    assert_int_equal(identity_find("no-such-user", "", &identity, why, sizeof(why)), -ENOENT);
    assert_string_equal(why, "user \"no-such-user\": no such user");
    assert_int_equal(identity_find("nobody", "no-such-group", &identity, why, sizeof(why)),
                     -ENOENT);
    assert_string_equal(why, "group \"no-such-group\": no such group");
    assert_int_equal(identity.gid, 4711);
}

/* Run in a child; the exit code is 0, or the number of the step that failed. */
static int in_child(int (*steps)(void)) {
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(steps());
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int become(const char *user, const char *group) {
    struct identity identity;
    int err = identity_find(user, group, &identity, why, sizeof(why));
    return err ? err : identity_become(&identity, why, sizeof(why));
}

static int become_nobody(void) {
    uid_t real, effective, saved, nobody = getpwnam("nobody")->pw_uid;
    gid_t real_group, effective_group, saved_group, daemon_group = getgrnam("daemon")->gr_gid;
    gid_t groups[8];
    if (become("nobody", "daemon") != 0)
        return 1;
    if (getresuid(&real, &effective, &saved) != 0 || real != nobody || effective != nobody ||
        saved != nobody)
        return 2;
    if (getresgid(&real_group, &effective_group, &saved_group) != 0 ||
        real_group != daemon_group || effective_group != daemon_group ||
        saved_group != daemon_group)
        return 3;
    int count = getgroups(8, groups);
    for (int i = 0; i < count; i++)
        if (groups[i] == 0) /* root's own groups must be gone */
            return 4;
    if (setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0)
        return 5;
    if (prctl(PR_GET_DUMPABLE) != 1)
        return 6;
    return become("nobody", "daemon") == 0 ? 0 : 7; /* nothing is left to do */
}

static bool has_capability(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    bool has_any = syscall(SYS_capget, &header, sets) != 0;
    for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
        has_any |= sets[i].effective || sets[i].permitted || sets[i].inheritable;
    return has_any;
}

static int lose_capabilities(void) {
    if (prctl(PR_SET_KEEPCAPS, 1) != 0 || become("nobody", "") != 0)
        return 1;
    for (int i = 0; prctl(PR_CAPBSET_READ, i) >= 0; i++)
        if (prctl(PR_CAPBSET_READ, i) == 1)
            return 2;
    return has_capability() ? 3 : 0;
}

static int change_environment(void) {
    setenv("HOME", "/root", 1);
    setenv("MAIL", "/var/mail/root", 1);
    if (become("", "") != 0 || strcmp(getenv("HOME"), "/root") != 0)
        return 1;
    if (become("www-data", "") != 0 || strcmp(getenv("USER"), "www-data") != 0 ||
        strcmp(getenv("LOGNAME"), "www-data") != 0)
        return 2;
    if (strcmp(getenv("HOME"), getpwnam("www-data")->pw_dir) != 0 || getenv("MAIL"))
        return 3;
    return 0;
}

static int become_number(void) {
    gid_t groups[8];
    if (become("3543210", "3543211") != 0 || getuid() != 3543210 || getgid() != 3543211)
        return 1;
    if (getgroups(8, groups) != 0)
        return 2;
    return strcmp(getenv("HOME"), "/") == 0 && strcmp(getenv("USER"), "3543210") == 0 ? 0 : 3;
}

static int pin(void) {
    if (privileges_pin() != 0)
        return 1;
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 2;
}

static int become_another_without_right(void) {
    if (geteuid() == 0 && become("nobody", "") != 0)
        return 1;
    if (become("root", "") != -EPERM)
        return 2;
    if (become("daemon", "") != -EPERM)
        return 3;
    return strcmp(why, "cannot become user \"daemon\": initgroups: Operation not permitted") ==
                   0
               ? 0
               : 4;
}

static void root_becomes_a_user_for_good(void **state) {
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(in_child(become_nobody), 0);
}

static void no_capability_is_left(void **state) {
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(in_child(lose_capabilities), 0);
}

static void the_environment_is_that_of_the_account(void **state) {
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(in_child(change_environment), 0);
}

static void root_becomes_a_mere_number(void **state) {
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(in_child(become_number), 0);
}

static void programs_bring_no_rights(void **state) {
    (void)state;
    assert_int_equal(in_child(pin), 0);
}

static void others_cannot_become_anybody(void **state) {
    (void)state;
    assert_int_equal(in_child(become_another_without_right), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_looked_up),
        cmocka_unit_test(numbers_are_users_too),
        cmocka_unit_test(a_number_without_account_has_no_group),
        cmocka_unit_test(numbers_that_are_nobodys),
        cmocka_unit_test(no_user_is_to_stay),
        cmocka_unit_test(unknown_names_are_told),
        cmocka_unit_test(root_becomes_a_user_for_good),
        cmocka_unit_test(no_capability_is_left),
        cmocka_unit_test(the_environment_is_that_of_the_account),
        cmocka_unit_test(root_becomes_a_mere_number),
        cmocka_unit_test(programs_bring_no_rights),
        cmocka_unit_test(others_cannot_become_anybody),
    };
    return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
