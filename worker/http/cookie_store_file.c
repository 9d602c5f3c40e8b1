/* SPDX-License-Identifier: MIT
 *
 * Cookie sessions in a folder, a file each (cookie_file.h), which all workers share and which
 * outlives them. The time of a file is that of its last use. What cannot be read as a session
 * counts as none. A worker remembers the files that it has made for new clients, within
 * session.max_sessions: the share of an address holds for those that nobody has used since.
 * For the sum of all there is session.max_files (cookie_sweep.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "cookie_file.h"
#include "cookie_store.h"
#include "crewman.h"

#define SWEEP_MAX   200 /* files in a turn */
#define SWEEP_NEW   8   /* who makes one looks at so many: nobody is faster than the sweep */
#define ESCAPED_MAX 6u  /* bytes of JSON for one of text */
#define FILE_SPARE  (64u * 1024u) /* for the punctuation of many short values */
#define CHANGES_MAX 4096u /* bytes, beside as much as the session: then it is rewritten */

/* A session that this worker has made. */
struct noted {
    struct cookie_member member;
    char id[COOKIE_ID_LEN];
};

static bool has_expired(const struct cookie_store *store, const struct stat *status) {
    int64_t age = time(NULL) - status->st_mtim.tv_sec;
    return age > (int64_t)(store->config->lifetime_ms / 1000);
}

static size_t size_limit(const struct cookie_store *store) {
    return (size_t)store->config->max_size * ESCAPED_MAX + FILE_SPARE;
}

/* Before anything is done in the folder: one operation is done in one folder. */
static int enter(struct cookie_store *store) {
    int dir = folder_fd(&store->folder);
    if (dir >= 0 && dir != store->dir)
        cookie_sweep_stop(&store->files);
    store->dir = dir;
    return dir < 0 ? dir : 0;
}

static int load(struct cookie_store *store, const char *id, json_t **out_data) {
    struct cookie_file_name name = cookie_file_name(id);
    struct stat status;
    int fd = enter(store);
    if (fd == 0)
        fd = cookie_file_open(store->dir, &name, &status);
    if (fd < 0)
        return fd;
    int error = has_expired(store, &status) ? CREW_ENOENT
                                            : cookie_file_read(fd, size_limit(store), out_data);
    if (!error && (status.st_mtim.tv_sec != time(NULL) || cookie_file_is_fresh(fd)))
        cookie_file_note_use(fd);
    close(fd);
    return error;
}

/* One that is in use still. A descriptor; closing it unlocks. */
static int open_shared(struct cookie_store *store, const struct cookie_file_name *name,
                       struct stat *out_status) {
    int fd = enter(store);
    if (fd == 0)
        fd = cookie_file_open_shared(store->dir, name, out_status);
    if (fd >= 0 && has_expired(store, out_status)) {
        close(fd);
        return CREW_ENOENT;
    }
    return fd;
}

/* Would it be a session still that can be read? */
static int check_changes(struct cookie_store *store, int fd,
                         const struct cookie_changes *changes) {
    json_t *data;
    int error = cookie_file_read(fd, size_limit(store), &data);
    if (error)
        return error;
    error = cookie_changes_apply(changes, data);
    if (!error && cookie_changes_size(data) > store->config->max_size)
        error = CREW_ETOOBIG;
    json_decref(data);
    return error;
}

/* Write it without its history, when that has become long. Nobody may be appending; else the
 * next change sees to it. */
static void compact(struct cookie_store *store, int fd, const struct cookie_file_name *name) {
    struct stat status;
    json_t *data;
    if (fstat(fd, &status) != 0 || status.st_size <= CHANGES_MAX ||
        flock(fd, LOCK_EX | LOCK_NB) != 0 || !cookie_file_is_there(store->dir, name, &status) ||
        cookie_file_read(fd, size_limit(store), &data) != 0)
        return;
    if ((size_t)status.st_size > CHANGES_MAX + 2 * cookie_changes_size(data))
        (void)cookie_file_write(store->dir, name, data, false);
    json_decref(data);
}

static int change(struct cookie_store *store, const char *id,
                  const struct cookie_changes *changes) {
    struct cookie_file_name name = cookie_file_name(id);
    struct stat status;
    int fd = open_shared(store, &name, &status);
    if (fd < 0)
        return fd;
    int error = check_changes(store, fd, changes);
    if (!error)
        error = cookie_file_append(fd, changes);
    if (!error && !cookie_file_is_there(store->dir, &name, &status))
        error = CREW_ENOENT; /* it was ended, or moved, meanwhile */
    if (!error)
        compact(store, fd, &name);
    close(fd);
    return error;
}

static int rename_file(struct cookie_store *store, const struct cookie_file_name *from,
                       const struct cookie_file_name *to) {
    if (renameat(store->dir, from->text, store->dir, to->text) == 0)
        return 0;
    return errno == ENOENT ? CREW_ENOENT : -errno;
}

/* First the name: of two that move it one is too late, and then changes nothing. */
static int move(struct cookie_store *store, const char *id, const char *new_id,
                const struct cookie_changes *changes) {
    struct cookie_file_name name = cookie_file_name(id), new_name = cookie_file_name(new_id);
    struct stat status;
    int fd = open_shared(store, &name, &status);
    if (fd < 0)
        return fd;
    int error = check_changes(store, fd, changes);
    if (!error)
        error = rename_file(store, &name, &new_name);
    if (!error) {
        error = cookie_file_append(fd, changes);
        if (error)
            (void)rename_file(store, &new_name, &name);
    }
    close(fd);
    return error;
}

static int forget(struct cookie_store *store, const char *id) {
    struct cookie_file_name name = cookie_file_name(id);
    struct stat status;
    int fd = open_shared(store, &name, &status);
    if (fd < 0)
        return fd;
    int error = unlinkat(store->dir, name.text, 0) == 0 ? 0 : -errno;
    close(fd);
    return error == -ENOENT ? CREW_ENOENT : error;
}

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int sweep_some(struct cookie_store *store, int count) {
    const struct config_session *config = store->config;
    const struct cookie_bounds bounds = {.lifetime_s = (int64_t)(config->lifetime_ms / 1000),
                                         .max_files = config->max_files,
                                         .workers = (size_t)store->workers};
    return cookie_sweep_some(&store->files, store->dir, count, now_ms(), &bounds);
}

static bool sweep(struct cookie_store *store) {
    return enter(store) == 0 && (sweep_some(store, SWEEP_MAX) > SWEEP_MAX / 4 ||
                                 cookie_sweep_is_over(&store->files, store->config->max_files));
}

/* All workers make files: each looks at more of them the more workers there are, so that in one
 * walk all together make half as many as there are, and an eighth while there are too many. */
static void sweep_for_new(struct cookie_store *store) {
    bool is_over = cookie_sweep_is_over(&store->files, store->config->max_files);
    int count = (is_over ? SWEEP_NEW : SWEEP_NEW / 4) * store->workers;
    count = count > SWEEP_NEW ? count : SWEEP_NEW;
    (void)sweep_some(store, count < SWEEP_MAX ? count : SWEEP_MAX);
}

static struct noted *of_member(struct cookie_member *member) {
    return member ? list_entry(member, struct noted, member) : NULL;
}

static void drop(struct cookie_store *store, struct noted *noted) {
    cookie_census_leave(&store->census, &noted->member);
    free(noted);
}

/* Of an address that has made too many, those go that nobody has used since; the others, and
 * those of other addresses, are only not remembered any more. */
static void make_room(struct cookie_store *store, uint64_t client) {
    const struct cookie_rule unused = {.came_back_ms = 0, .fresh_ms = INT64_MAX};
    struct noted *noted;
    while ((noted = of_member(cookie_census_surplus(&store->census, client)))) {
        struct cookie_file_name name = cookie_file_name(noted->id);
        if (cookie_census_is_of(&store->census, &noted->member, client))
            (void)cookie_file_remove_if(store->dir, &name, &unused);
        drop(store, noted);
    }
}

static int create(struct cookie_store *store, uint64_t client, const char *id,
                  const json_t *data) {
    struct cookie_file_name name = cookie_file_name(id);
    int error = enter(store);
    if (error)
        return error;
    sweep_for_new(store);
    make_room(store, client);
    error = cookie_file_write(store->dir, &name, data, true);
    struct noted *noted = error ? NULL : malloc(sizeof(*noted));
    if (!noted)
        return error;
    memcpy(noted->id, id, COOKIE_ID_LEN);
    if (cookie_census_enter(&store->census, &noted->member, client) != 0)
        free(noted); /* it is a session all the same */
    return 0;
}

static void close_folder(struct cookie_store *store) {
    struct noted *noted;
    while ((noted = of_member(cookie_census_first(&store->census.fresh))))
        drop(store, noted);
    cookie_sweep_stop(&store->files);
    folder_close(&store->folder);
}

const struct cookie_store_ops cookie_store_file = {.load = load,
                                                   .create = create,
                                                   .change = change,
                                                   .move = move,
                                                   .remove = forget,
                                                   .sweep = sweep,
                                                   .close = close_folder};
