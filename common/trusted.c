/* SPDX-License-Identifier: MIT
 *
 * See trusted.h. A folder that others may write is fine where it is sticky, as /tmp is, and the
 * next name is ours or root's: nobody else can put another in its place then. An ACL shows in
 * the bits of the group and counts like them.
 */
#include "trusted.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 40
#define TRIES_MAX 8 /* of names that come and go */

/* On the way from the root. */
struct walk {
    const struct trust *trust;
    char *why;
    size_t size;
    char at[PATH_MAX];   /* the folder that was reached, for people */
    char rest[PATH_MAX]; /* what is still to be walked */
    int folder;          /* -1: none */
    bool is_shared;
    unsigned links;
};

/* Who it is, in words. */
static void name_user(uid_t uid, char *out, size_t size) {
    char buffer[1024];
    struct passwd entry, *found = NULL;
    if (getpwuid_r(uid, &entry, buffer, sizeof(buffer), &found) == 0 && found)
        snprintf(out, size, "%s", entry.pw_name);
    else
        snprintf(out, size, "%u", (unsigned)uid);
}

static void name_group(gid_t gid, char *out, size_t size) {
    char buffer[1024];
    struct group entry, *found = NULL;
    if (getgrgid_r(gid, &entry, buffer, sizeof(buffer), &found) == 0 && found)
        snprintf(out, size, "%s", entry.gr_name);
    else
        snprintf(out, size, "%u", (unsigned)gid);
}

static bool is_ours(const struct trust *trust, uid_t uid) {
    return uid == 0 || uid == trust->user || uid == trust->also;
}

static bool is_trusted_group(const struct trust *trust, gid_t gid) {
    bool is_known = gid == 0 || (trust->user != 0 && gid == trust->group);
    for (size_t i = 0; i < trust->group_count; i++)
        is_known = is_known || trust->groups[i] == gid;
    return is_known;
}

static bool others_write(const struct trust *trust, const struct stat *folder) {
    return (folder->st_mode & S_IWOTH) ||
           ((folder->st_mode & S_IWGRP) && !is_trusted_group(trust, folder->st_gid));
}

static int fail(const struct walk *walk, int err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int fail(const struct walk *walk, int err, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(walk->why, walk->size, format, args);
    va_end(args);
    return err;
}

static const char *slash_of(const struct walk *walk) {
    return walk->at[1] ? "/" : "";
}

static int refuse_owner(const struct walk *walk, const char *what, const char *name,
                        uid_t uid) {
    char found[64], expected[64];
    name_user(uid, found, sizeof(found));
    name_user(walk->trust->user, expected, sizeof(expected));
    return fail(walk, -EPERM, "%s%s%s %s user \"%s\"; expected %s%s", walk->at,
                name[0] ? slash_of(walk) : "", name, what, found, expected,
                walk->trust->user ? " or root" : "");
}

static int refuse_writers(const struct walk *walk, const struct stat *folder) {
    char group[64], expected[64];
    bool names = walk->trust->names_groups;
    name_user(walk->trust->user, expected, sizeof(expected));
    if (folder->st_mode & S_IWOTH)
        return fail(walk, -EPERM,
                    "%s may be written by everybody; expected a folder that only %s writes "
                    "(chmod o-w %s)",
                    walk->at, expected, walk->at);
    name_group(folder->st_gid, group, sizeof(group));
    return fail(walk, -EPERM,
                "%s may be written by group \"%s\"; expected a folder that only %s writes "
                "(chmod g-w %s)%s%s%s",
                walk->at, group, expected, walk->at, names ? ", or add \"" : "",
                names ? group : "", names ? "\" to trusted_groups" : "");
}

/* Its name is in `at`. */
static int check_folder(struct walk *walk) {
    struct stat found;
    if (fstat(walk->folder, &found) != 0)
        return fail(walk, -errno, "%s: %s", walk->at, strerror(errno));
    if (!is_ours(walk->trust, found.st_uid))
        return refuse_owner(walk, "belongs to", "", found.st_uid);
    walk->is_shared = others_write(walk->trust, &found);
    if (walk->is_shared && !(found.st_mode & S_ISVTX))
        return refuse_writers(walk, &found);
    return 0;
}

/* Takes `folder`, whose name is in `at`. */
static int enter(struct walk *walk, int folder) {
    if (walk->folder >= 0)
        close(walk->folder);
    walk->folder = folder;
    return check_folder(walk);
}

static int enter_root(struct walk *walk) {
    int folder = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    snprintf(walk->at, sizeof(walk->at), "/");
    return folder < 0 ? fail(walk, -errno, "/: %s", strerror(errno)) : enter(walk, folder);
}

/* The next part of `rest` goes to `name`. False: there is none. */
static bool take_name(struct walk *walk, char name[NAME_MAX + 1], int *out_err) {
    char *start = walk->rest + strspn(walk->rest, "/");
    size_t len = strcspn(start, "/");
    *out_err = 0;
    if (len > NAME_MAX)
        *out_err = fail(walk, -ENAMETOOLONG, "%s: %s", walk->at, strerror(ENAMETOOLONG));
    if (len == 0 || len > NAME_MAX)
        return false;
    memcpy(name, start, len);
    name[len] = '\0';
    char *after = start + len;
    memmove(walk->rest, after + strspn(after, "/"), strlen(after + strspn(after, "/")) + 1);
    return true;
}

static int follow(struct walk *walk, int link) {
    char target[PATH_MAX], longer[2 * PATH_MAX + 1];
    ssize_t len = readlinkat(link, "", target, sizeof(target) - 1);
    int err = len < 0 ? -errno : ++walk->links > LINKS_MAX ? -ELOOP : 0;
    target[len > 0 ? len : 0] = '\0';
    int total = snprintf(longer, sizeof(longer), "%s/%s", target, walk->rest);
    if (!err && total >= (int)sizeof(walk->rest))
        err = -ENAMETOOLONG;
    if (err)
        return fail(walk, err, "%s: %s", walk->at, strerror(-err));
    memcpy(walk->rest, longer, (size_t)total + 1);
    return target[0] == '/' ? enter_root(walk) : 0;
}

/* An entry of a folder that others may write must be ours: of another it may be gone, or
 * another one, by the next look. */
static int check_entry(const struct walk *walk, const char *name, const struct stat *entry) {
    if (!walk->is_shared || is_ours(walk->trust, entry->st_uid))
        return 0;
    return refuse_owner(walk, S_ISLNK(entry->st_mode) ? "is a link of" : "belongs to", name,
                        entry->st_uid);
}

static int descend(struct walk *walk, int entry, const struct stat *found, const char *name) {
    size_t used = strlen(walk->at);
    if (S_ISLNK(found->st_mode)) {
        int err = follow(walk, entry);
        close(entry);
        return err;
    }
    snprintf(walk->at + used, sizeof(walk->at) - used, "%s%s", slash_of(walk), name);
    if (S_ISDIR(found->st_mode))
        return enter(walk, entry);
    close(entry);
    return fail(walk, -ENOTDIR, "%s: %s", walk->at, strerror(ENOTDIR));
}

/* One name further. */
static int step(struct walk *walk, const char *name) {
    struct stat found;
    if (strcmp(name, ".") == 0)
        return 0;
    int entry = openat(walk->folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (entry < 0 || fstat(entry, &found) != 0) {
        int err = errno;
        if (entry >= 0)
            close(entry);
        return fail(walk, -err, "%s%s%s: %s", walk->at, slash_of(walk), name, strerror(err));
    }
    int err = strcmp(name, "..") == 0 ? 0 : check_entry(walk, name, &found);
    if (!err)
        return descend(walk, entry, &found, name);
    close(entry);
    return err;
}

static int start(struct walk *walk, const char *path) {
    if (path[0] != '/' || strlen(path) >= sizeof(walk->rest))
        return fail(walk, -EINVAL, "found \"%.100s\"; expected an absolute path", path);
    snprintf(walk->rest, sizeof(walk->rest), "%s", path);
    return enter_root(walk);
}

static bool is_link(const struct walk *walk, const char *name) {
    struct stat found;
    return fstatat(walk->folder, name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISLNK(found.st_mode);
}

/* To the folder of the last name, which is left in `name`, unless that is NULL. */
static int walk_to(struct walk *walk, const char *path, char *out_name) {
    char name[NAME_MAX + 1];
    int err = start(walk, path);
    while (!err && take_name(walk, name, &err)) {
        if (out_name && walk->rest[0] == '\0' && !is_link(walk, name)) {
            snprintf(out_name, NAME_MAX + 1, "%s", name);
            return 0;
        }
        err = step(walk, name);
    }
    if (!err && out_name)
        err = fail(walk, -EISDIR, "%s: %s", walk->at, strerror(EISDIR));
    return err;
}

static int check_file(const struct walk *walk, const char *name, const struct stat *file) {
    const char *slash = slash_of(walk);
    if (S_ISCHR(file->st_mode)) /* of root's making, whoever may use it */
        return 0;
    if (!S_ISREG(file->st_mode) && !S_ISFIFO(file->st_mode))
        return fail(walk, S_ISDIR(file->st_mode) ? -EISDIR : -ENXIO, "%s%s%s is not a file",
                    walk->at, slash, name);
    if (!is_ours(walk->trust, file->st_uid))
        return refuse_owner(walk, "belongs to", name, file->st_uid);
    if (walk->is_shared && file->st_nlink > 1)
        return fail(walk, -EPERM, "%s%s%s has a second name (hard link)", walk->at, slash,
                    name);
    return 0;
}

/* What is there, which is no link any more or nothing. */
static int open_found(const struct walk *walk, const char *name, int flags) {
    struct stat file;
    int entry = openat(walk->folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (entry < 0)
        return -errno;
    int err = fstat(entry, &file) == 0 ? 0 : -errno;
    if (!err && S_ISLNK(file.st_mode))
        err = fail(walk, -ELOOP, "%s%s%s is a symbolic link; expected a file", walk->at,
                   slash_of(walk), name);
    if (!err)
        err = check_entry(walk, name, &file);
    if (!err)
        err = check_file(walk, name, &file);
    close(entry);
    if (err)
        return err;
    int fd = openat(walk->folder, name,
                    (flags & ~O_CREAT) | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    err = fstat(fd, &file) == 0 ? check_file(walk, name, &file) : -errno;
    if (!err)
        return fd;
    close(fd);
    return err;
}

static int open_last(const struct walk *walk, const char *name, int flags, mode_t mode) {
    int fd = -ENOENT;
    walk->why[0] = '\0';
    for (int i = 0; i < TRIES_MAX && fd == -ENOENT; i++) {
        fd = open_found(walk, name, flags);
        if (fd != -ENOENT || !(flags & O_CREAT))
            break;
        fd = openat(walk->folder, name, flags | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY,
                    mode);
        fd = fd >= 0 ? fd : errno == EEXIST ? -ENOENT : -errno;
    }
    if (fd < 0 && !walk->why[0])
        fail(walk, fd, "%s%s%s: %s", walk->at, slash_of(walk), name, strerror(-fd));
    return fd;
}

static struct walk begin(const struct trust *trust, char *why, size_t size) {
    return (struct walk){.trust = trust, .why = why, .size = size, .folder = -1};
}

static void end(const struct walk *walk) {
    if (walk->folder >= 0)
        close(walk->folder);
}

int trusted_folder(const struct trust *trust, const char *path, bool *out_is_shared,
                   char *out_why, size_t size) {
    struct walk walk = begin(trust, out_why, size);
    int err = walk_to(&walk, path, NULL);
    if (err) {
        end(&walk);
        return err;
    }
    *out_is_shared = walk.is_shared;
    return walk.folder;
}

int trusted_check_folder(const struct trust *trust, int folder, const char *path, char *out_why,
                         size_t size) {
    struct walk walk = begin(trust, out_why, size);
    walk.folder = folder;
    snprintf(walk.at, sizeof(walk.at), "%s", path);
    return check_folder(&walk);
}

int trusted_open(const struct trust *trust, const char *path, int flags, mode_t mode,
                 char *out_why, size_t size) {
    char name[NAME_MAX + 1];
    struct walk walk = begin(trust, out_why, size);
    int fd = walk_to(&walk, path, name);
    if (!fd)
        fd = open_last(&walk, name, flags, mode);
    end(&walk);
    return fd;
}

int trusted_open_at(const struct trust *trust, const struct trusted_place *place,
                    const char *name, int flags, mode_t mode, char *out_why, size_t size) {
    struct walk walk = begin(trust, out_why, size);
    walk.folder = place->folder;
    walk.is_shared = place->is_shared;
    snprintf(walk.at, sizeof(walk.at), "%s", place->where);
    return open_last(&walk, name, flags, mode);
}

int trusted_check(const struct trust *trust, const char *path, char *out_why, size_t size) {
    char name[NAME_MAX + 1];
    struct stat file;
    struct walk walk = begin(trust, out_why, size);
    int err = walk_to(&walk, path, name);
    if (!err && fstatat(walk.folder, name, &file, AT_SYMLINK_NOFOLLOW) == 0) {
        err = check_entry(&walk, name, &file);
        if (!err)
            err = check_file(&walk, name, &file);
    }
    end(&walk);
    return err;
}

/* Has it an account in our user namespace? Without a map everybody has. */
static bool is_mapped(uid_t uid) {
    unsigned inside, outside, count;
    FILE *map = fopen("/proc/self/uid_map", "re");
    bool is_mapped = !map;
    while (map && fscanf(map, "%u %u %u", &inside, &outside, &count) == 3)
        is_mapped = is_mapped || (uid >= inside && uid - inside < count);
    if (map)
        fclose(map);
    return is_mapped;
}

/* In a user namespace that does not map every user, those of the machine outside show as one:
 * its root owns the folders above ours. Where that one is a user in here too, "nobody" most
 * often, the two cannot be told apart, and none is trusted. */
static uid_t find_overflow(void) {
    unsigned uid = 0;
    FILE *file = fopen("/proc/sys/kernel/overflowuid", "re");
    if (file && fscanf(file, "%u", &uid) != 1)
        uid = 0;
    if (file)
        fclose(file);
    return is_mapped(uid) ? 0 : uid;
}

void trusted_init(struct trust *trust) {
    *trust = (struct trust){.user = geteuid(), .group = getegid(), .also = find_overflow()};
}
