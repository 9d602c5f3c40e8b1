/* SPDX-License-Identifier: MIT
 *
 * See cookie_sweep.h.
 */
#include "cookie_sweep.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cookie_file.h"

#define TEMP_AGE_S 60 /* of a half-written file whose writer has died */

static unsigned age_index(int64_t age_ms) {
    uint64_t age = age_ms > 0 ? (uint64_t)age_ms : 0;
    if (age < 4)
        return (unsigned)age;
    unsigned doublings = 63 - (unsigned)__builtin_clzll(age);
    return doublings * 4 + (unsigned)(age >> (doublings - 2) & 3);
}

static int64_t least_age(unsigned index) {
    if (index < 8)
        return (int64_t)(index < 4 ? index : 4);
    return (int64_t)(4 + index % 4) << (index / 4 - 2);
}

/* Who was last used before, since 1970, is counted at `index` or behind it. */
static int64_t before(int64_t began_ms, unsigned index) {
    return index < COOKIE_SWEEP_AGES ? began_ms - least_age(index) + 1 : 0;
}

/* Chooses `surplus` of them, or all there are; answers how many that leaves to the others.
 * Those of an age that all go are the same ones for each worker; of the others each has its
 * part. */
static size_t choose(struct cookie_kind *kind, size_t surplus, int64_t began_ms,
                     size_t workers) {
    unsigned index = surplus > 0 ? COOKIE_SWEEP_AGES : 0;
    size_t left = surplus;
    kind->all_before_ms = kind->some_before_ms = 0;
    kind->some = 0;
    while (index > 0 && kind->ages[index - 1] <= left)
        left -= kind->ages[--index];
    if (surplus > 0)
        kind->all_before_ms = before(began_ms, index);
    if (index > 0) {
        kind->some_before_ms = before(began_ms, index - 1);
        kind->some = (left + workers - 1) / workers;
        left = 0;
    }
    return left;
}

static void begin(struct cookie_sweep *sweep, int dir, int64_t now_ms) {
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    sweep->walk = fd < 0 ? NULL : fdopendir(fd);
    if (!sweep->walk && fd >= 0)
        close(fd);
    sweep->began_ms = now_ms;
    sweep->found = 0;
    memset(sweep->fresh.ages, 0, sizeof(sweep->fresh.ages));
    memset(sweep->came_back.ages, 0, sizeof(sweep->came_back.ages));
}

static void finish(struct cookie_sweep *sweep, const struct cookie_bounds *bounds) {
    size_t max = bounds->max_files;
    size_t surplus = sweep->found > max ? sweep->found - max : 0;
    closedir(sweep->walk);
    sweep->walk = NULL;
    sweep->is_removing = surplus > 0;
    surplus = choose(&sweep->fresh, surplus, sweep->began_ms, bounds->workers);
    (void)choose(&sweep->came_back, surplus, sweep->began_ms, bounds->workers);
}

void cookie_sweep_stop(struct cookie_sweep *sweep) {
    if (sweep->walk)
        closedir(sweep->walk);
    *sweep = (struct cookie_sweep){0};
}

bool cookie_sweep_is_over(const struct cookie_sweep *sweep, size_t max_files) {
    return sweep->is_removing || sweep->found > max_files;
}

static int64_t ms_of(const struct timespec *time) {
    return (int64_t)time->tv_sec * 1000 + time->tv_nsec / 1000000;
}

static bool look_at_temp(int dir, const char *text, int64_t now_ms) {
    struct stat status;
    return fstatat(dir, text, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           now_ms / 1000 - status.st_mtim.tv_sec > TEMP_AGE_S && unlinkat(dir, text, 0) == 0;
}

/* Who was last used before goes. */
static int64_t limit_of(const struct cookie_kind *kind, int64_t expired_ms) {
    int64_t limit = kind->some > 0 ? kind->some_before_ms : kind->all_before_ms;
    return limit > expired_ms ? limit : expired_ms;
}

static bool look_at_session(struct cookie_sweep *sweep, int dir, const char *id,
                            int64_t expired_ms) {
    struct cookie_file_name name = cookie_file_name(id);
    struct stat status;
    int fd = cookie_file_open(dir, &name, &status);
    if (fd < 0)
        return false; /* gone, or nobody's session */
    struct cookie_kind *kind = cookie_file_is_fresh(fd) ? &sweep->fresh : &sweep->came_back;
    const struct cookie_rule rule = {limit_of(&sweep->came_back, expired_ms),
                                     limit_of(&sweep->fresh, expired_ms)};
    int64_t used_ms = ms_of(&status.st_mtim);
    close(fd);
    if (used_ms < limit_of(kind, expired_ms) && cookie_file_remove_if(dir, &name, &rule)) {
        kind->some -= kind->some > 0 && used_ms >= kind->all_before_ms;
        return true;
    }
    kind->ages[age_index(sweep->began_ms - used_ms)]++;
    sweep->found++;
    return false;
}

int cookie_sweep_some(struct cookie_sweep *sweep, int dir, int count, int64_t now_ms,
                      const struct cookie_bounds *bounds) {
    int64_t expired_ms = (now_ms / 1000 - bounds->lifetime_s) * 1000;
    int removed = 0;
    for (int i = 0; i < count; i++) {
        if (!sweep->walk)
            begin(sweep, dir, now_ms);
        const struct dirent *entry = sweep->walk ? readdir(sweep->walk) : NULL;
        if (!entry) {
            if (sweep->walk)
                finish(sweep, bounds);
            break;
        }
        const char *text = entry->d_name;
        if (text[0] == '.' && cookie_file_is_name(text + 1))
            removed += look_at_temp(dir, text, now_ms);
        else if (cookie_file_is_name(text) && strlen(text) == COOKIE_FILE_NAME_LEN)
            removed += look_at_session(sweep, dir, text + COOKIE_FILE_PREFIX_LEN, expired_ms);
    }
    return removed;
}
