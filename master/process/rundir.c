/* SPDX-License-Identifier: MIT
 *
 * See rundir.h.
 */
#include "rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory.h"
#include "pidfile.h"
#include "unix_socket.h"

#define ADMIN_NAME "admin.sock"

/* `path` without its last name, which goes to `out_name`; without slashes at its end. */
static void split(const char *path, char *out_folder, const char **out_name, size_t *out_len) {
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    size_t start = len;
    while (start > 0 && path[start - 1] != '/')
        start--;
    *out_name = path + start;
    *out_len = len - start;
    memcpy(out_folder, path, start);
    out_folder[start] = '\0';
}

/* In a folder in which nobody else can put another in its place. */
static int make(const struct trust *trust, const char *path, char *why, size_t size) {
    char folder[PATH_MAX], name[NAME_MAX + 1];
    const char *start;
    bool is_shared;
    size_t len;
    split(path, folder, &start, &len);
    if (len == 0)
        return 0; /* the root */
    snprintf(name, sizeof(name), "%.*s", (int)len, start);
    int parent = trusted_folder(trust, folder, &is_shared, why, size);
    if (parent < 0)
        return parent;
    int err = mkdirat(parent, name, 0755) == 0 || errno == EEXIST ? 0 : -errno;
    close(parent);
    if (err)
        snprintf(why, size, "%s", strerror(-err));
    return err;
}

static int open_folder(const struct trust *trust, const char *path, struct trusted_place *place,
                       char *why, size_t size) {
    int err = make(trust, path, why, size);
    if (!err)
        err = trusted_folder(trust, path, &place->is_shared, why, size);
    if (err < 0)
        return err;
    place->folder = err;
    place->where = path;
    return 0;
}

static int refuse(const char *path, int err, const char *why, char *out_why, size_t size) {
    bool is_named = strncmp(why, path, strlen(path)) == 0; /* itself, not a folder above */
    if (err == -ENOTDIR)
        snprintf(out_why, size, "run_dir %s: not a folder", path);
    else if (is_named)
        snprintf(out_why, size, "run_dir %s", why);
    else
        snprintf(out_why, size, "run_dir %s: %s", path, why);
    return err;
}

static void note_folder(struct rundir *rundir, const struct trusted_place *place) {
    struct stat found = {0};
    (void)fstat(place->folder, &found);
    if (rundir->place.folder >= 0)
        close(rundir->place.folder);
    rundir->place = *place;
    rundir->device = found.st_dev;
    rundir->inode = found.st_ino;
}

int rundir_open(struct rundir *rundir, const struct trust *trust, const char *path,
                char *out_why, size_t size) {
    struct trusted_place place;
    char why[512];
    char *copy = memory_copy_text(path);
    int err = open_folder(trust, copy, &place, why, sizeof(why));
    if (err) {
        free(copy);
        return refuse(path, err, why, out_why, size);
    }
    *rundir = RUNDIR_CLOSED;
    rundir->path = copy;
    note_folder(rundir, &place);
    return 0;
}

int rundir_check(const struct trust *trust, const char *path, char *out_why, size_t size) {
    char why[512], file[PATH_MAX];
    bool is_shared;
    int folder = trusted_folder(trust, path, &is_shared, why, sizeof(why));
    if (folder == -ENOENT)
        return 0;
    if (folder < 0)
        return refuse(path, folder, why, out_why, size);
    close(folder);
    snprintf(file, sizeof(file), "%s/" PIDFILE_NAME, path);
    return trusted_check(trust, file, out_why, size);
}

/* Whoever has so many clients waiting that one more would have to wait is alive too. */
pid_t rundir_find_other(const struct rundir *rundir) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ucred peer = {0};
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" ADMIN_NAME,
             rundir->place.folder);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return 0;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        peer.pid = errno == EAGAIN ? -1 : 0;
    else if (unix_socket_peer(fd, &peer) != 0)
        peer.pid = -1;
    close(fd);
    return peer.pid;
}

static int take(struct rundir *rundir, const struct trust *trust, pid_t *out_other, char *why,
                size_t size) {
    int fd = pidfile_take(trust, &rundir->place, out_other, why, size);
    if (fd < 0)
        return fd;
    if (rundir->pid_fd >= 0)
        close(rundir->pid_fd);
    rundir->pid_fd = fd;
    return 0;
}

int rundir_lock(struct rundir *rundir, const struct trust *trust, pid_t *out_other,
                char *out_why, size_t size) {
    char why[512] = "";
    int err = take(rundir, trust, out_other, why, sizeof(why));
    if (err && strncmp(why, rundir->path, strlen(rundir->path)) == 0)
        snprintf(out_why, size, "%s", why);
    else if (err)
        snprintf(out_why, size, "%s/" PIDFILE_NAME ": %s", rundir->path, why);
    return err;
}

static bool has_folder(const struct rundir *rundir) {
    struct stat found;
    return stat(rundir->path, &found) == 0 && found.st_dev == rundir->device &&
           found.st_ino == rundir->inode;
}

static enum rundir_news lose_folder(const struct rundir *rundir, const char *reason, char *why,
                                    size_t size) {
    snprintf(why, size,
             "run_dir %s was removed and cannot be made again: %s; verbs do not work until it "
             "is, workers go on",
             rundir->path, reason);
    return RUNDIR_LOST;
}

/* The folder is there. `other`: who has the lock, where it could write its pid. */
static enum rundir_news lose_pid_file(const struct rundir *rundir, int err, pid_t other,
                                      const char *reason, char *why, size_t size) {
    const char *was = rundir->is_new_folder ? ", which was removed" : "";
    if (err == -EWOULDBLOCK && other > 0)
        snprintf(
            why, size,
            "another instance, pid %d, has taken run_dir %s%s; stop this one with: kill %d",
            (int)other, rundir->path, was, (int)getpid());
    else
        snprintf(why, size,
                 "%s/" PIDFILE_NAME " was removed and cannot be made again: %s; a start beside "
                 "this instance may not notice it, workers go on",
                 rundir->path, err == -EWOULDBLOCK ? "another process holds its lock" : reason);
    return RUNDIR_LOST;
}

enum rundir_news rundir_look(struct rundir *rundir, const struct trust *trust,
                             bool *out_is_new_folder, char *out_why, size_t size) {
    struct trusted_place place;
    char why[512] = "";
    pid_t other = 0;
    bool is_new = !has_folder(rundir);
    *out_is_new_folder = false;
    if (!is_new && pidfile_is_there(&rundir->place, rundir->pid_fd))
        return RUNDIR_SAME;
    int err = is_new ? open_folder(trust, rundir->path, &place, why, sizeof(why)) : 0;
    if (err)
        return lose_folder(rundir, err == -ENOTDIR ? "not a folder" : why, out_why, size);
    if (is_new)
        note_folder(rundir, &place);
    rundir->is_new_folder = rundir->is_new_folder || is_new;
    err = take(rundir, trust, &other, why, sizeof(why));
    if (err)
        return lose_pid_file(rundir, err, other, why, out_why, size);
    *out_is_new_folder = rundir->is_new_folder;
    snprintf(out_why, size, "%s%s was removed; made again",
             rundir->is_new_folder ? "run_dir " : "",
             rundir->is_new_folder ? rundir->path : "the pid file");
    rundir->is_new_folder = false;
    return RUNDIR_AGAIN;
}

void rundir_close(struct rundir *rundir) {
    if (rundir->pid_fd >= 0)
        pidfile_release(&rundir->place, rundir->pid_fd);
    if (rundir->place.folder >= 0)
        close(rundir->place.folder);
    free(rundir->path);
    *rundir = RUNDIR_CLOSED;
}
