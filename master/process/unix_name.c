/* SPDX-License-Identifier: MIT
 *
 * See unix_name.h. The socket is bound by its path, which clients and getsockname(2) are to
 * see. All else is done in the folder that the path named before: the name must not be there,
 * and then be a socket of ours with no other name. Whoever swaps folders meanwhile gains
 * nothing.
 */
#include "unix_name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unix_socket.h"

static int open_folder(struct unix_name *name, const char *path) {
    char folder[sizeof(name->name)];
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    memcpy(folder, path, len);
    folder[len] = '\0';
    snprintf(name->name, sizeof(name->name), "%s", slash ? slash + 1 : path);
    name->folder = open(len > 0 ? folder : slash ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return name->folder < 0 ? -errno : 0;
}

/* What answers there, asked in the folder that we hold: a negative errno number, or 0. */
static int call(const struct unix_name *name) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int len = snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s",
                       name->folder, name->name);
    if (len < 0 || (size_t)len >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int err = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? 0 : -errno;
    close(fd);
    return err;
}

/* Does anybody listen there? If not, the file is left over from a process that was killed. */
static int remove_stale(const struct unix_name *name) {
    struct stat file;
    if (fstatat(name->folder, name->name, &file, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(file.st_mode))
        return -EEXIST;
    if (call(name) != -ECONNREFUSED)
        return -EADDRINUSE;
    return unlinkat(name->folder, name->name, 0) == 0 ? 0 : -errno;
}

/* With that mode from the start: nobody may connect meanwhile, and no name is changed later. */
static int bind_path(int fd, const char *path, mode_t mode) {
    struct sockaddr_un address;
    int err = unix_socket_address(path, &address);
    if (err)
        return err;
    mode_t before = umask(~mode & 0777);
    err = bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 ? 0 : -errno;
    umask(before);
    return err;
}

static int give_away(struct unix_name *name, uid_t user, gid_t group) {
    struct stat file;
    int entry = openat(name->folder, name->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (entry < 0)
        return -errno;
    int err = fstat(entry, &file) == 0 ? 0 : -errno;
    if (!err && (!S_ISSOCK(file.st_mode) || file.st_uid != geteuid() || file.st_nlink != 1))
        err = -EPERM;
    if (!err) {
        name->device = file.st_dev;
        name->inode = file.st_ino;
    }
    if (!err && (user != (uid_t)-1 || group != (gid_t)-1) &&
        fchownat(entry, "", user, group, AT_EMPTY_PATH) != 0)
        err = -errno;
    close(entry);
    return err;
}

static bool is_ours(const struct unix_name *name, const struct stat *file) {
    return file->st_dev == name->device && file->st_ino == name->inode;
}

int unix_name_bind(struct unix_name *name, int fd, const char *path, mode_t mode, uid_t user,
                   gid_t group) {
    struct unix_name made = UNIX_NAME_NONE;
    struct sockaddr_un address;
    int err = unix_socket_address(path, &address); /* long enough a name for all that follows */
    if (!err)
        err = open_folder(&made, path);
    if (!err)
        err = remove_stale(&made);
    if (!err)
        err = bind_path(fd, path, mode);
    if (!err)
        err = give_away(&made, user, group);
    if (err)
        unix_name_remove(&made);
    else
        *name = made;
    return err;
}

bool unix_name_is_at(const struct unix_name *name, const char *path) {
    struct stat file;
    return name->folder >= 0 && lstat(path, &file) == 0 && is_ours(name, &file);
}

void unix_name_remove(struct unix_name *name) {
    struct stat file;
    if (name->folder < 0)
        return;
    if (fstatat(name->folder, name->name, &file, AT_SYMLINK_NOFOLLOW) == 0 &&
        is_ours(name, &file))
        unlinkat(name->folder, name->name, 0);
    close(name->folder);
    name->folder = -1;
}
