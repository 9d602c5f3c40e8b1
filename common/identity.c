/* SPDX-License-Identifier: MIT
 *
 * See identity.h. A name goes before a number, as with chown(1): "33" may be a name.
 */
#include "identity.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "privileges.h"

#define LOOKUP_SIZE 16384
#define NUMBER_MAX  4294967294u /* the next one means "no change" to setresuid(2) */

static int parse_number(const char *text, unsigned *out_number) {
    unsigned long number = 0;
    if (!*text)
        return -ENOENT;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -ENOENT;
        number = number * 10 + (unsigned long)(*text - '0');
        if (number > NUMBER_MAX)
            return -ENOENT;
    }
    *out_number = (unsigned)number;
    return 0;
}

/* *out_entry is NULL when it is a mere number. */
static int read_entry(const char *user, struct passwd *entry, char *buffer, size_t size,
                      unsigned *out_number, struct passwd **out_entry) {
    int err = getpwnam_r(user, entry, buffer, size, out_entry);
    if (*out_entry)
        return 0;
    if (parse_number(user, out_number) != 0)
        return err ? -err : -ENOENT;
    (void)getpwuid_r(*out_number, entry, buffer, size, out_entry);
    return 0;
}

int identity_find_user(const char *text, struct account *out_account) {
    char buffer[LOOKUP_SIZE];
    struct passwd space, *entry = NULL;
    unsigned number = 0;
    int err = read_entry(text, &space, buffer, sizeof(buffer), &number, &entry);
    if (err)
        return err;
    *out_account = (struct account){.uid = number};
    if (!entry)
        return 0;
    out_account->is_known = true;
    out_account->uid = entry->pw_uid;
    out_account->gid = entry->pw_gid;
    snprintf(out_account->name, sizeof(out_account->name), "%s", entry->pw_name);
    return 0;
}

int identity_find_group(const char *text, gid_t *out_gid) {
    char buffer[LOOKUP_SIZE];
    struct group entry, *found = NULL;
    unsigned number;
    int err = getgrnam_r(text, &entry, buffer, sizeof(buffer), &found);
    if (found) {
        *out_gid = found->gr_gid;
        return 0;
    }
    if (parse_number(text, &number) != 0)
        return err ? -err : -ENOENT;
    *out_gid = number;
    return 0;
}

static int explain(const char *noun, const char *text, int err, char *why, size_t size) {
    if (err == -ENOENT)
        snprintf(why, size, "%s \"%s\": no such %s", noun, text, noun);
    else
        snprintf(why, size, "%s \"%s\": %s", noun, text, strerror(-err));
    return err;
}

static int find(const char *user, const char *group, struct identity *identity, char *why,
                size_t size) {
    bool has_group = group && group[0];
    int err = identity_find_user(user, &identity->account);
    if (err)
        return explain("user", user, err, why, size);
    identity->gid = identity->account.gid;
    err = has_group ? identity_find_group(group, &identity->gid) : 0;
    if (err)
        return explain("group", group, err, why, size);
    if (has_group || identity->account.is_known)
        return 0;
    snprintf(why, size, "user \"%s\" has no account on this machine; set \"group\" too", user);
    return -EINVAL;
}

int identity_find(const char *user, const char *group, struct identity *out_identity,
                  char *out_why, size_t size) {
    struct identity identity = {.is_set = user && user[0]};
    if (identity.is_set) {
        int err = find(user, group, &identity, out_why, size);
        if (err)
            return err;
        snprintf(identity.user, sizeof(identity.user), "%s", user);
    }
    *out_identity = identity;
    return 0;
}

static int fail(const char *call, const struct identity *identity, char *why, size_t size) {
    int err = errno ? errno : EPERM;
    snprintf(why, size, "cannot become user \"%s\": %s: %s", identity->user, call,
             strerror(err));
    return -err;
}

static int set_groups(const struct identity *identity) {
    const struct account *account = &identity->account;
    return account->is_known ? initgroups(account->name, identity->gid) : setgroups(0, NULL);
}

static int switch_user(const struct identity *identity, char *why, size_t size) {
    uid_t uid = identity->account.uid;
    if (privileges_leave_keys() != 0)
        return fail("keyctl", identity, why, size);
    if (set_groups(identity) != 0)
        return fail("initgroups", identity, why, size);
    if (setresgid(identity->gid, identity->gid, identity->gid) != 0)
        return fail("setgid", identity, why, size);
    if (setresuid(uid, uid, uid) != 0)
        return fail("setuid", identity, why, size);
    return 0;
}

static int check_change(const struct identity *identity, char *why, size_t size) {
    if (setuid(0) == 0) {
        errno = EPERM;
        return fail("it can be undone", identity, why, size);
    }
    prctl(PR_SET_DUMPABLE, 1); /* a core file of a crashed worker is worth having */
    return 0;
}

/* What a login would set: programs look for their files where HOME says, and root's are not
 * theirs. */
static void set_environment(const struct identity *identity) {
    char buffer[LOOKUP_SIZE];
    struct passwd space, *entry = NULL;
    unsigned number;
    (void)read_entry(identity->user, &space, buffer, sizeof(buffer), &number, &entry);
    const char *name = entry ? entry->pw_name : identity->user;
    setenv("HOME", entry && entry->pw_dir[0] ? entry->pw_dir : "/", 1);
    setenv("SHELL", entry && entry->pw_shell[0] ? entry->pw_shell : "/bin/sh", 1);
    setenv("USER", name, 1);
    setenv("LOGNAME", name, 1);
    unsetenv("MAIL");
    unsetenv("XDG_RUNTIME_DIR");
}

static bool is_already(const struct identity *identity) {
    uid_t uid = identity->account.uid;
    return uid != 0 && getuid() == uid && geteuid() == uid && getgid() == identity->gid;
}

static int set_user(const struct identity *identity, char *why, size_t size) {
    set_environment(identity);
    return is_already(identity) ? 0 : switch_user(identity, why, size);
}

int identity_become(const struct identity *identity, char *out_why, size_t size) {
    bool stays_root = identity->is_set ? identity->account.uid == 0 : geteuid() == 0;
    if (!stays_root)
        privileges_bound();
    int err = identity->is_set ? set_user(identity, out_why, size) : 0;
    if (err || stays_root)
        return err;
    err = privileges_drop();
    if (err) {
        snprintf(out_why, size, "cannot give up all capabilities: %s", strerror(-err));
        return err;
    }
    return identity->is_set ? check_change(identity, out_why, size) : 0;
}
