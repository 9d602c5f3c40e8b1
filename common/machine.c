/* SPDX-License-Identifier: MIT
 *
 * See machine.h. A limit holds for all groups below it, so each on the way up to the mount
 * point is read. Where the files lie is said by /proc/self/mountinfo and /proc/self/cgroup;
 * what cannot be read limits nothing.
 */
#include "machine.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PATH_SIZE 4096
#define LINE_SIZE (3 * PATH_SIZE)

/* One hierarchy of control groups: where it is mounted, which of its groups that shows, and in
 * which we are. */
struct hierarchy {
    const char *type;     /* of the file system */
    const char *files[2]; /* with limits; or NULL */
    char mount[PATH_SIZE], shown[PATH_SIZE], group[PATH_SIZE];
};

static FILE *open_file(const char *root, const char *path) {
    char whole[4 * PATH_SIZE];
    int len = snprintf(whole, sizeof(whole), "%s%s", root, path);
    return len > 0 && (size_t)len < sizeof(whole) ? fopen(whole, "re") : NULL;
}

static uint64_t lesser(uint64_t a, uint64_t b) {
    return a == 0 || (b > 0 && b < a) ? b : a;
}

/* 0: none; "max" is no number, and the "none" of version 1 more than any machine has. */
static uint64_t read_limit(const char *root, const char *folder, const char *file) {
    char path[2 * PATH_SIZE + 64];
    uint64_t limit = 0;
    snprintf(path, sizeof(path), "%s/%s", folder, file);
    FILE *stream = open_file(root, path);
    if (!stream)
        return 0;
    if (fscanf(stream, "%" SCNu64, &limit) != 1)
        limit = 0;
    fclose(stream);
    return limit;
}

/* In a list like "rw,memory". */
static bool has_word(const char *list, const char *word) {
    size_t len = strlen(word);
    for (const char *at = list; (at = strstr(at, word)) != NULL; at += len) {
        char before = at == list ? ',' : at[-1], after = at[len];
        bool is_end = after == '\0' || after == ',' || after == '\n';
        if (before == ',' && is_end)
            return true;
    }
    return false;
}

static bool is_second(const struct hierarchy *hierarchy) {
    return strcmp(hierarchy->type, "cgroup2") == 0;
}

/* "ID PARENT MAJOR:MINOR ROOT MOUNT OPTIONS … - TYPE SOURCE OPTIONS", see proc(5). */
static bool read_mount(const char *line, struct hierarchy *hierarchy) {
    char type[64], options[PATH_SIZE];
    const char *rest = strstr(line, " - ");
    return rest && sscanf(rest, " - %63s %*s %4095s", type, options) == 2 &&
           strcmp(type, hierarchy->type) == 0 &&
           (is_second(hierarchy) || has_word(options, "memory")) &&
           sscanf(line, "%*s %*s %*s %4095s %4095s", hierarchy->shown, hierarchy->mount) == 2;
}

/* "0::/GROUP", or "ID:CONTROLLERS:/GROUP". */
static bool read_group(char *line, struct hierarchy *hierarchy) {
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group)
        return false;
    *group++ = '\0';
    group[strcspn(group, "\n")] = '\0';
    bool is_ours = is_second(hierarchy) ? strcmp(controllers, ":") == 0
                                        : has_word(controllers + 1, "memory");
    if (is_ours)
        snprintf(hierarchy->group, sizeof(hierarchy->group), "%s", group);
    return is_ours;
}

static bool find(const char *root, struct hierarchy *hierarchy) {
    char line[LINE_SIZE];
    bool is_mounted = false, is_member = false;
    FILE *mounts = open_file(root, "/proc/self/mountinfo");
    while (mounts && !is_mounted && fgets(line, sizeof(line), mounts))
        is_mounted = read_mount(line, hierarchy);
    if (mounts)
        fclose(mounts);
    FILE *groups = open_file(root, "/proc/self/cgroup");
    while (groups && !is_member && fgets(line, sizeof(line), groups))
        is_member = read_group(line, hierarchy);
    if (groups)
        fclose(groups);
    return is_mounted && is_member;
}

/* The part of our group's path that lies below what the mount shows; "" when that is not above
 * us, as in a container with the paths of its host. */
static const char *below(const struct hierarchy *hierarchy) {
    size_t len = strcmp(hierarchy->shown, "/") == 0 ? 0 : strlen(hierarchy->shown);
    const char *rest = hierarchy->group + len;
    if (strncmp(hierarchy->group, hierarchy->shown, len) != 0 || *rest != '/')
        return "";
    return strcmp(rest, "/") == 0 || strstr(rest, "/..") ? "" : rest;
}

static uint64_t limit_of(const char *root, struct hierarchy *hierarchy) {
    char folder[2 * PATH_SIZE];
    uint64_t limit = 0;
    if (!find(root, hierarchy))
        return 0;
    size_t top = strlen(hierarchy->mount);
    snprintf(folder, sizeof(folder), "%s%s", hierarchy->mount, below(hierarchy));
    for (;;) {
        for (size_t i = 0; i < 2 && hierarchy->files[i]; i++)
            limit = lesser(limit, read_limit(root, folder, hierarchy->files[i]));
        char *last = strrchr(folder, '/');
        if (strlen(folder) <= top || !last)
            return limit;
        *last = '\0';
    }
}

static uint64_t total(const char *root) {
    char line[256];
    uint64_t kib = 0;
    FILE *stream = open_file(root, "/proc/meminfo");
    if (!stream)
        return 0;
    while (kib == 0 && fgets(line, sizeof(line), stream))
        (void)sscanf(line, "MemTotal: %" SCNu64, &kib);
    fclose(stream);
    return kib * 1024;
}

uint64_t machine_memory(const char *root) {
    struct hierarchy second = {.type = "cgroup2", .files = {"memory.max", "memory.high"}};
    struct hierarchy first = {.type = "cgroup", .files = {"memory.limit_in_bytes"}};
    uint64_t memory = total(root);
    memory = lesser(memory, limit_of(root, &second));
    return lesser(memory, limit_of(root, &first));
}
