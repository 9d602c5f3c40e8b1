/* SPDX-License-Identifier: MIT
 *
 * See process.h.
 */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define LOOKUP_SIZE 16384

static int find_user(const char *user, struct identity *identity, char *why, size_t size) {
    char buffer[LOOKUP_SIZE];
    struct passwd entry, *found = NULL;
    int err = getpwnam_r(user, &entry, buffer, sizeof(buffer), &found);
    if (!found) {
        snprintf(why, size, "user \"%s\": %s", user, err ? strerror(err) : "no such user");
        return err ? -err : -ENOENT;
    }
    identity->is_set = true;
    identity->uid = entry.pw_uid;
    identity->gid = entry.pw_gid;
    snprintf(identity->user, sizeof(identity->user), "%s", user);
    return 0;
}

static int find_group(const char *group, struct identity *identity, char *why, size_t size) {
    char buffer[LOOKUP_SIZE];
    struct group entry, *found = NULL;
    int err = getgrnam_r(group, &entry, buffer, sizeof(buffer), &found);
    if (!found) {
        snprintf(why, size, "group \"%s\": %s", group, err ? strerror(err) : "no such group");
        return err ? -err : -ENOENT;
    }
    identity->gid = entry.gr_gid;
    return 0;
}

int process_identity(const char *user, const char *group, struct identity *out_identity,
                     char *out_why, size_t size) {
    struct identity identity = {0};
    int err = 0;
    if (user && user[0])
        err = find_user(user, &identity, out_why, size);
    if (!err && group && group[0] && identity.is_set)
        err = find_group(group, &identity, out_why, size);
    if (err)
        return err;
    *out_identity = identity;
    return 0;
}

static int fail(const char *call, const struct identity *identity, char *why, size_t size) {
    int err = errno ? errno : EPERM;
    snprintf(why, size, "cannot become user \"%s\": %s: %s", identity->user, call,
             strerror(err));
    return -err;
}

int process_become(const struct identity *identity, char *out_why, size_t size) {
    if (!identity->is_set)
        return 0;
    if (getuid() == identity->uid && geteuid() == identity->uid && getgid() == identity->gid &&
        identity->uid != 0)
        return 0;
    if (initgroups(identity->user, identity->gid) != 0)
        return fail("initgroups", identity, out_why, size);
    if (setresgid(identity->gid, identity->gid, identity->gid) != 0)
        return fail("setgid", identity, out_why, size);
    if (setresuid(identity->uid, identity->uid, identity->uid) != 0)
        return fail("setuid", identity, out_why, size);
    if (identity->uid == 0)
        return 0;
    if (setuid(0) == 0) {
        errno = EPERM;
        return fail("it can be undone", identity, out_why, size);
    }
    prctl(PR_SET_DUMPABLE, 1); /* a core file of a crashed worker is worth having */
    return 0;
}

long process_raise_nofile(void) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return 0;
    struct rlimit wanted = {files.rlim_max, files.rlim_max};
    if (files.rlim_cur != files.rlim_max && setrlimit(RLIMIT_NOFILE, &wanted) == 0)
        files = wanted;
    return files.rlim_cur > (rlim_t)__LONG_MAX__ ? __LONG_MAX__ : (long)files.rlim_cur;
}

size_t process_rss(pid_t pid) {
    char path[64];
    unsigned long total, resident = 0;
    snprintf(path, sizeof(path), "/proc/%ld/statm", (long)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    if (fscanf(file, "%lu %lu", &total, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

const char *process_signal_name(int signal) {
    static char text[32];
    const char *name = sigabbrev_np(signal);
    if (name)
        snprintf(text, sizeof(text), "SIG%s", name);
    else
        snprintf(text, sizeof(text), "signal %d", signal);
    return text;
}

/* FD_CLOEXEC is the only flag of its kind. */
int process_set_cloexec(int fd) {
    return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? 0 : -errno;
}
