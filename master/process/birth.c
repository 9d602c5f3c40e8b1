/* SPDX-License-Identifier: MIT
 *
 * See birth.h.
 */
#include "birth.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "instance.h"
#include "kind.h"

#define START_DEADLINE_MS 60000u
#define SOCKET_END        ".sock"

/* The length of the path is bounded by CONFIG_SOCKET_NAME_MAX. */
static int open_admin(const struct birth *birth, char *out_path, size_t size) {
    const struct pool *pool = birth->place->pool;
    struct sockets_unix options = {.mode = 0600, .backlog = 8};
    snprintf(out_path, size, "%s/%s.%s.%u.%u" SOCKET_END, pool->instance->config->run_dir,
             pool->kind->prefix, pool->name, birth->place->index, birth->number);
    return sockets_listen_unix(out_path, &options);
}

static bool is_admin_of(const char *name, const struct kind *kind) {
    size_t start = strlen(kind->prefix), end = strlen(SOCKET_END), len = strlen(name);
    return len > start + 1 + end && strncmp(name, kind->prefix, start) == 0 &&
           name[start] == '.' && strcmp(name + len - end, SOCKET_END) == 0;
}

void birth_sweep(const char *run_dir, const struct kind *kind) {
    struct dirent *entry;
    DIR *folder = opendir(run_dir);
    while (folder && (entry = readdir(folder)))
        if (is_admin_of(entry->d_name, kind))
            unlinkat(dirfd(folder), entry->d_name, 0);
    if (folder)
        closedir(folder);
}

static struct birth conceive(struct place *place, bool is_new) {
    struct pool *pool = place->pool;
    struct instance *instance = pool->instance;
    struct birth birth = {.place = place,
                          .config = is_new ? instance->next : instance->config,
                          .generation = instance->generation + (is_new ? 1 : 0),
                          .number = instance_next_number(instance),
                          .is_new = is_new};
    pool->kind->equip(&birth);
    return birth;
}

static struct child *deliver(struct place *place, const struct birth *birth,
                             struct child_spec *spec, char *out_why, size_t size) {
    struct pool *pool = place->pool;
    const struct instance *instance = pool->instance;
    char title[128];
    const struct program *program = &instance->programs.list[pool->kind->program];
    snprintf(title, sizeof(title), "crewman: %s %s generation %u", pool->kind->word,
             place->label, birth->generation);
    spec->program = program->path;
    spec->file = program_file(program, birth->config->pin);
    spec->title = title;
    /* Whoever waits for the end of a daemon's output must not wait for its children. */
    spec->out_fd = instance->is_daemon ? instance->log_fd : STDOUT_FILENO;
    spec->log_fd = instance->log_fd;
    spec->plan = pool->kind->plan(birth);
    return child_start(&pool->instance->loop, spec, out_why, size);
}

struct child *birth_start(struct place *place, bool is_new, const struct child_events *events,
                          char *out_why, size_t size) {
    struct pool *pool = place->pool;
    struct birth birth = conceive(place, is_new);
    char admin_path[108];
    int admin_fd = open_admin(&birth, admin_path, sizeof(admin_path));
    if (admin_fd < 0) {
        snprintf(out_why, size, "%s: %s", admin_path, strerror(-admin_fd));
        return NULL;
    }
    uint64_t watchdog_ms = pool->instance->config->watchdog_ms;
    struct child_spec spec = {.label = place->label,
                              .admin_path = admin_path,
                              .admin_fd = admin_fd,
                              .own_count = birth.own_count,
                              .generation = birth.generation,
                              .number = birth.number,
                              .start_ms = watchdog_ms ? watchdog_ms : START_DEADLINE_MS,
                              .orphan_ms = birth.config->drain_timeout_ms +
                                           birth.config->reload_spread_ms,
                              .siblings = &pool->children,
                              .events = events,
                              .owner = place};
    memcpy(spec.own_fds, birth.own_fds, sizeof(spec.own_fds));
    struct child *child = deliver(place, &birth, &spec, out_why, size);
    close(admin_fd);
    return child;
}
