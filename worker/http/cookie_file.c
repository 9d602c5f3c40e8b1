/* SPDX-License-Identifier: MIT
 *
 * See cookie_file.h.
 */
#include "cookie_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "crewman.h"

#define OPEN_FLAGS (O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
#define TEMP_FLAGS (O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
#define TRIES      20 /* of an exclusive lock, each held for the time of a few system calls */
#define FRESH      '\n'
#define CAME_BACK  ' '
#define ADDS       '+'
#define CLEARS     '='

struct cookie_file_name cookie_file_name(const char *id) {
    struct cookie_file_name name;
    snprintf(name.text, sizeof(name.text), COOKIE_FILE_PREFIX "%.*s", (int)COOKIE_ID_LEN, id);
    return name;
}

bool cookie_file_is_name(const char *text) {
    return strncmp(text, COOKIE_FILE_PREFIX, COOKIE_FILE_PREFIX_LEN) == 0;
}

/* In a folder of many anybody may put a file under the name of an id that he has chosen. */
static int open_own(int dir, const struct cookie_file_name *name, int flags,
                    struct stat *out_status) {
    int fd = openat(dir, name->text, OPEN_FLAGS | flags);
    if (fd < 0)
        return errno == ENOENT || errno == ELOOP ? CREW_ENOENT : -errno;
    int error = fstat(fd, out_status) != 0 ? -errno : 0;
    if (!error && (!S_ISREG(out_status->st_mode) || out_status->st_uid != geteuid()))
        error = CREW_ENOENT;
    if (error)
        close(fd);
    return error ? error : fd;
}

int cookie_file_open(int dir, const struct cookie_file_name *name, struct stat *out_status) {
    return open_own(dir, name, 0, out_status);
}

bool cookie_file_is_there(int dir, const struct cookie_file_name *name,
                          const struct stat *mine) {
    struct stat status;
    return fstatat(dir, name->text, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           status.st_ino == mine->st_ino && status.st_dev == mine->st_dev;
}

/* Who had the lock before may have replaced or removed the file. */
int cookie_file_open_shared(int dir, const struct cookie_file_name *name,
                            struct stat *out_status) {
    for (int i = 0; i < TRIES; i++) {
        int fd = open_own(dir, name, O_APPEND, out_status);
        if (fd < 0)
            return fd;
        bool is_locked = flock(fd, LOCK_SH | LOCK_NB) == 0;
        if (is_locked && cookie_file_is_there(dir, name, out_status))
            return fd;
        close(fd);
        if (!is_locked)
            sched_yield();
    }
    return -EBUSY;
}

static bool holds_text(json_t *data, bool may_forget) {
    void *place;
    if (!json_is_object(data))
        return false;
    for (place = json_object_iter(data); place; place = json_object_iter_next(data, place)) {
        const json_t *value = json_object_iter_value(place);
        if (!json_is_string(value) && !(may_forget && json_is_null(value)))
            return false;
    }
    return true;
}

static void apply(json_t *data, const char *line, size_t len) {
    bool clears = len > 0 && line[0] == CLEARS;
    json_t *names =
        len > 0 && (clears || line[0] == ADDS) ? json_loadb(line + 1, len - 1, 0, NULL) : NULL;
    const struct cookie_changes changes = {clears, names};
    if (holds_text(names, true))
        (void)cookie_changes_apply(&changes, data);
    json_decref(names);
}

/* NULL: it holds no session. */
static json_t *parse(const char *text, size_t len) {
    const char *end = text + len, *line = len > 0 ? text + 1 : end, *next;
    const char *stop = memchr(line, '\n', (size_t)(end - line));
    stop = stop ? stop : end;
    json_t *data = json_loadb(text, (size_t)(stop - text), 0, NULL);
    if (!holds_text(data, false)) {
        json_decref(data);
        return NULL;
    }
    for (line = stop; line < end; line = next) {
        line++; /* the line feed */
        next = memchr(line, '\n', (size_t)(end - line));
        next = next ? next : end;
        apply(data, line, (size_t)(next - line));
    }
    return data;
}

int cookie_file_read(int fd, size_t limit, json_t **out_data) {
    struct stat status;
    if (fstat(fd, &status) != 0 || (uint64_t)status.st_size > limit)
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
    json_t *data = error ? NULL : parse(text, len);
    free(text);
    if (!data)
        return error ? error : CREW_ENOENT;
    *out_data = data;
    return 0;
}

bool cookie_file_is_fresh(int fd) {
    char first;
    return pread(fd, &first, 1, 0) == 1 && first == FRESH;
}

void cookie_file_note_use(int fd) {
    static const char came_back = CAME_BACK;
    if (cookie_file_is_fresh(fd))
        (void)!pwrite(fd, &came_back, 1, 0);
    else
        futimens(fd, NULL);
}

static bool may_go(int fd, const struct stat *status, const struct cookie_rule *rule) {
    int64_t used_ms =
        (int64_t)status->st_mtim.tv_sec * 1000 + status->st_mtim.tv_nsec / 1000000;
    return used_ms < (cookie_file_is_fresh(fd) ? rule->fresh_ms : rule->came_back_ms);
}

bool cookie_file_remove_if(int dir, const struct cookie_file_name *name,
                           const struct cookie_rule *rule) {
    struct stat status;
    int fd = cookie_file_open(dir, name, &status);
    if (fd < 0)
        return false;
    bool goes = flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &status) == 0 &&
                may_go(fd, &status, rule) && cookie_file_is_there(dir, name, &status) &&
                unlinkat(dir, name->text, 0) == 0;
    close(fd);
    return goes;
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

/* `begin`, then the object. */
static char *text_of(const char *begin, const json_t *object) {
    char *json = json_dumps(object, JSON_COMPACT), *text = NULL;
    if (json && asprintf(&text, "%s%s", begin, json) < 0)
        text = NULL;
    free(json);
    return text;
}

int cookie_file_append(int fd, const struct cookie_changes *changes) {
    const char begin[] = {'\n', changes->clears ? CLEARS : ADDS, '\0'};
    char *text = text_of(begin, changes->names);
    if (!text)
        return CREW_ENOMEM;
    size_t len = strlen(text);
    ssize_t put;
    do
        put = write(fd, text, len);
    while (put < 0 && errno == EINTR);
    free(text);
    return put < 0 ? -errno : (size_t)put < len ? -ENOSPC : 0;
}

/* Whatever else has the name of our temporary file is not written into. */
static int open_temp(int dir, const struct cookie_file_name *name,
                     struct cookie_file_name *out_temp) {
    snprintf(out_temp->text, sizeof(out_temp->text), ".%.*s.%d", (int)COOKIE_FILE_NAME_LEN,
             name->text, (int)(getpid() % 10000000));
    int fd = openat(dir, out_temp->text, TEMP_FLAGS, 0600);
    if (fd < 0 && errno == EEXIST && unlinkat(dir, out_temp->text, 0) == 0)
        fd = openat(dir, out_temp->text, TEMP_FLAGS, 0600);
    return fd < 0 ? -errno : fd;
}

int cookie_file_write(int dir, const struct cookie_file_name *name, const json_t *data,
                      bool is_fresh) {
    const char begin[] = {is_fresh ? FRESH : CAME_BACK, '\0'};
    struct cookie_file_name temp;
    char *text = text_of(begin, data);
    if (!text)
        return CREW_ENOMEM;
    int fd = open_temp(dir, name, &temp);
    int error = fd < 0 ? fd : write_all(fd, text, strlen(text));
    free(text);
    if (fd < 0)
        return error;
    if (close(fd) != 0 && !error)
        error = -errno;
    if (!error && renameat(dir, temp.text, dir, name->text) != 0)
        error = -errno;
    if (error)
        unlinkat(dir, temp.text, 0);
    return error;
}
