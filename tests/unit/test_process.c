/* SPDX-License-Identifier: MIT
 *
 * What a process does to itself. Becoming another user cannot be undone, so it is tried in
 * children.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "process.h"

static char why[256];

static void names_are_looked_up(void **state) {
    (void)state;
    struct identity identity;
    const struct passwd *entry = getpwnam("nobody");
    assert_non_null(entry);
    assert_int_equal(process_identity("nobody", "", &identity, why, sizeof(why)), 0);
    assert_true(identity.is_set);
    assert_int_equal(identity.uid, entry->pw_uid);
    assert_int_equal(identity.gid, entry->pw_gid);
    assert_string_equal(identity.user, "nobody");
    const struct group *group = getgrnam("daemon");
    assert_non_null(group);
    assert_int_equal(process_identity("nobody", "daemon", &identity, why, sizeof(why)), 0);
    assert_int_equal(identity.gid, group->gr_gid);
}

static void no_user_is_to_stay(void **state) {
    (void)state;
    struct identity identity = {.is_set = true};
    assert_int_equal(process_identity(NULL, NULL, &identity, why, sizeof(why)), 0);
    assert_false(identity.is_set);
    assert_int_equal(process_identity("", "", &identity, why, sizeof(why)), 0);
    assert_false(identity.is_set);
    assert_int_equal(process_become(&identity, why, sizeof(why)), 0);
}

static void unknown_names_are_told(void **state) {
    (void)state;
    struct identity identity = {.uid = 4711};
    assert_int_equal(process_identity("no-such-user", "", &identity, why, sizeof(why)),
                     -ENOENT);
    assert_string_equal(why, "user \"no-such-user\": no such user");
    assert_int_equal(process_identity("nobody", "no-such-group", &identity, why, sizeof(why)),
                     -ENOENT);
    assert_string_equal(why, "group \"no-such-group\": no such group");
    assert_int_equal(identity.uid, 4711);
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
    int err = process_identity(user, group, &identity, why, sizeof(why));
    return err ? err : process_become(&identity, why, sizeof(why));
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

static void others_cannot_become_anybody(void **state) {
    (void)state;
    assert_int_equal(in_child(become_another_without_right), 0);
}

static void the_limit_of_descriptors_is_raised(void **state) {
    (void)state;
    struct rlimit old, small, now;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    small = old;
    small.rlim_cur = 64;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
    long limit = process_raise_nofile();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
    assert_int_equal(limit, (long)now.rlim_cur);
    assert_int_equal(now.rlim_cur, old.rlim_max);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
}

static void resident_memory_is_known(void **state) {
    (void)state;
    assert_in_range(process_rss(getpid()), 100 * 1024, (uintmax_t)16 << 30);
    assert_int_equal(process_rss(-1), 0);
}

static void signals_have_names(void **state) {
    (void)state;
    assert_string_equal(process_signal_name(SIGSEGV), "SIGSEGV");
    assert_string_equal(process_signal_name(SIGKILL), "SIGKILL");
    assert_string_equal(process_signal_name(64), "signal 64");
    assert_string_equal(process_signal_name(9999), "signal 9999");
}

static void flags_of_descriptors(void **state) {
    (void)state;
    int fd = open("/dev/null", O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    assert_int_equal(process_set_cloexec(fd), 0);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    close(fd);
    assert_int_equal(process_set_cloexec(fd), -EBADF);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_looked_up),
        cmocka_unit_test(no_user_is_to_stay),
        cmocka_unit_test(unknown_names_are_told),
        cmocka_unit_test(root_becomes_a_user_for_good),
        cmocka_unit_test(others_cannot_become_anybody),
        cmocka_unit_test(the_limit_of_descriptors_is_raised),
        cmocka_unit_test(resident_memory_is_known),
        cmocka_unit_test(signals_have_names),
        cmocka_unit_test(flags_of_descriptors),
    };
    return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
