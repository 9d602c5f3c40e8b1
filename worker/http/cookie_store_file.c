/* SPDX-License-Identifier: MIT
 *
 * Cookie sessions in a folder, a file each, which all workers share and which outlives them. A
 * file is replaced by rename(2), so a reader finds the old one or the new one, never half of
 * it; who changes one holds a lock on it, so no change of two at the same time is lost. The
 * time of a file is that of its last use. What cannot be read as a session counts as none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "cookie_store.h"
#include "crewman.h"

#define PREFIX      "session_"
#define PREFIX_LEN  (sizeof(PREFIX) - 1)
#define NAME_LEN    (PREFIX_LEN + COOKIE_ID_LEN)
#define OPEN_FLAGS  (O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
#define SWEEP_MAX   200           /* files in a turn */
#define LOCK_TRIES  50            /* of a millisecond: a process that is stopped may hold it */
#define TEMP_AGE_S  60            /* of a half-written file whose writer has died */
#define ESCAPED_MAX 6u            /* bytes of JSON for one of text */
#define FILE_SPARE  (64u * 1024u) /* for the punctuation of many short values */

struct name {
    char text[NAME_LEN + 16];
};

static struct name name_of(const char *id) {
    struct name name;
    snprintf(name.text, sizeof(name.text), PREFIX "%.*s", (int)COOKIE_ID_LEN, id);
    return name;
}

static bool has_expired(const struct cookie_store *store, const struct stat *status) {
    int64_t age = time(NULL) - status->st_mtim.tv_sec;
    return age > (int64_t)(store->config->lifetime_ms / 1000);
}

/* A regular file that is in use still; its descriptor. */
static int open_session(struct cookie_store *store, const struct name *name,
                        struct stat *out_status) {
    int fd = openat(store->dir, name->text, OPEN_FLAGS);
    if (fd < 0)
        return errno == ENOENT ? CREW_ENOENT : -errno;
    int error = fstat(fd, out_status) != 0 ? -errno : 0;
    if (!error && (!S_ISREG(out_status->st_mode) || has_expired(store, out_status)))
        error = CREW_ENOENT;
    if (error)
        close(fd);
    return error ? error : fd;
}

static size_t size_limit(const struct cookie_store *store) {
    return (size_t)store->config->max_size * ESCAPED_MAX + FILE_SPARE;
}

/* NULL: it holds no session. */
static json_t *parse(const char *text, size_t len) {
    json_t *data = json_loadb(text, len, 0, NULL);
    void *place;
    if (!json_is_object(data)) {
        json_decref(data);
        return NULL;
    }
    for (place = json_object_iter(data); place; place = json_object_iter_next(data, place))
        if (!json_is_string(json_object_iter_value(place))) {
            json_decref(data);
            return NULL;
        }
    return data;
}

static int read_session(struct cookie_store *store, int fd, json_t **out_data) {
    struct stat status;
    if (fstat(fd, &status) != 0 || (uint64_t)status.st_size > size_limit(store))
        return CREW_ENOENT;
    size_t size = (size_t)status.st_size, len = 0;
    char *text = malloc(size + 1);
    ssize_t got = 1;
    if (!text)
        return CREW_ENOMEM;
    while (len < size && got > 0) {
        got = pread(fd, text + len, size - len, (off_t)len);
        len += got > 0 ? (size_t)got : 0;
    }
    int error = got < 0 ? -errno : 0;
    *out_data = error ? NULL : parse(text, len);
    free(text);
    return error ? error : *out_data ? 0 : CREW_ENOENT;
}

static int load(struct cookie_store *store, const char *id, json_t **out_data) {
    struct name name = name_of(id);
    struct stat status;
    int fd = open_session(store, &name, &status);
    if (fd < 0)
        return fd;
    int error = read_session(store, fd, out_data);
    if (!error && status.st_mtim.tv_sec != time(NULL))
        futimens(fd, NULL);
    close(fd);
    return error;
}

static int write_all(int fd, const char *text, size_t len) {
    while (len > 0) {
        ssize_t put = write(fd, text, len);
        if (put < 0 && errno != EINTR)
            return -errno;
        text += put > 0 ? put : 0;
        len -= put > 0 ? (size_t)put : 0;
    }
    return 0;
}

static int replace(struct cookie_store *store, const struct name *name, const json_t *data) {
    struct name temp;
    snprintf(temp.text, sizeof(temp.text), ".%.*s.%d", (int)NAME_LEN, name->text,
             (int)(getpid() % 10000000));
    char *text = json_dumps(data, JSON_COMPACT);
    if (!text)
        return CREW_ENOMEM;
    int fd = openat(store->dir, temp.text,
                    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int error = fd < 0 ? -errno : write_all(fd, text, strlen(text));
    free(text);
    if (fd < 0)
        return error;
    if (close(fd) != 0 && !error)
        error = -errno;
    if (!error && renameat(store->dir, temp.text, store->dir, name->text) != 0)
        error = -errno;
    if (error)
        unlinkat(store->dir, temp.text, 0);
    return error;
}

static int create(struct cookie_store *store, const char *id, const json_t *data) {
    struct name name = name_of(id);
    return replace(store, &name, data); /* nobody else knows this id yet */
}

/* The one who had the lock before may have replaced or removed the file. */
static bool is_still_there(struct cookie_store *store, const struct name *name,
                           const struct stat *mine) {
    struct stat status;
    return fstatat(store->dir, name->text, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           status.st_ino == mine->st_ino && status.st_dev == mine->st_dev;
}

/* Waits for others in small steps, not for ever: -EBUSY. A descriptor; closing it unlocks. */
static int lock(struct cookie_store *store, const struct name *name) {
    const struct timespec step = {.tv_nsec = 1000000};
    struct stat status;
    for (int i = 0; i < LOCK_TRIES; i++) {
        int fd = open_session(store, name, &status);
        if (fd < 0)
            return fd;
        bool is_locked = flock(fd, LOCK_EX | LOCK_NB) == 0;
        if (is_locked && is_still_there(store, name, &status))
            return fd;
        close(fd);
        if (!is_locked)
            nanosleep(&step, NULL);
    }
    return -EBUSY;
}

/* Of the session that lies in `fd`, locked, with these changes. */
static int write_changed(struct cookie_store *store, int fd, const struct name *to,
                         const struct cookie_changes *changes) {
    json_t *data;
    int error = read_session(store, fd, &data);
    if (error)
        return error;
    error = cookie_store_apply(store, changes, data);
    if (!error)
        error = replace(store, to, data);
    json_decref(data);
    return error;
}

static int change(struct cookie_store *store, const char *id,
                  const struct cookie_changes *changes) {
    struct name name = name_of(id);
    int fd = lock(store, &name);
    if (fd < 0)
        return fd;
    int error = write_changed(store, fd, &name, changes);
    close(fd);
    return error;
}

static int move(struct cookie_store *store, const char *id, const char *new_id,
                const struct cookie_changes *changes) {
    struct name name = name_of(id), new_name = name_of(new_id);
    int fd = lock(store, &name);
    if (fd < 0)
        return fd;
    int error = write_changed(store, fd, &new_name, changes);
    if (!error && unlinkat(store->dir, name.text, 0) != 0) {
        error = -errno;
        unlinkat(store->dir, new_name.text, 0);
    }
    close(fd);
    return error;
}

static int forget(struct cookie_store *store, const char *id) {
    struct name name = name_of(id);
    int fd = lock(store, &name);
    if (fd < 0)
        return fd;
    int error = unlinkat(store->dir, name.text, 0) == 0 ? 0 : -errno;
    close(fd);
    return error;
}

/* Locked, so that no session goes that somebody is just using again. */
static void remove_expired(struct cookie_store *store, const char *text) {
    struct stat status;
    int fd = openat(store->dir, text, OPEN_FLAGS);
    if (fd < 0)
        return;
    struct name name;
    snprintf(name.text, sizeof(name.text), "%s", text);
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &status) == 0 &&
        has_expired(store, &status) && is_still_there(store, &name, &status))
        unlinkat(store->dir, text, 0);
    close(fd);
}

static void look_at(struct cookie_store *store, const char *text) {
    struct stat status;
    bool is_temp = text[0] == '.' && strncmp(text + 1, PREFIX, PREFIX_LEN) == 0;
    bool is_session = strncmp(text, PREFIX, PREFIX_LEN) == 0 && strlen(text) == NAME_LEN;
    if ((!is_temp && !is_session) ||
        fstatat(store->dir, text, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    if (is_session && has_expired(store, &status))
        remove_expired(store, text);
    else if (is_temp && time(NULL) - status.st_mtim.tv_sec > TEMP_AGE_S)
        unlinkat(store->dir, text, 0);
}

static void sweep(struct cookie_store *store) {
    if (!store->walk) {
        int fd = openat(store->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        store->walk = fd < 0 ? NULL : fdopendir(fd);
        if (!store->walk && fd >= 0)
            close(fd);
    }
    for (int i = 0; store->walk && i < SWEEP_MAX; i++) {
        const struct dirent *entry = readdir(store->walk);
        if (entry) {
            look_at(store, entry->d_name);
        } else {
            closedir(store->walk);
            store->walk = NULL;
        }
    }
}

static void close_folder(struct cookie_store *store) {
    if (store->walk)
        closedir(store->walk);
    close(store->dir);
}

const struct cookie_store_ops cookie_store_file = {.load = load,
                                                   .create = create,
                                                   .change = change,
                                                   .move = move,
                                                   .remove = forget,
                                                   .sweep = sweep,
                                                   .close = close_folder};
