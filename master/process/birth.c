/* SPDX-License-Identifier: MIT
 *
 * See birth.h.
 */
#include "birth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "instance.h"
#include "kind.h"

static struct birth conceive(struct place *place, bool is_new) {
    struct pool *pool = place->pool;
    struct instance *instance = pool->instance;
    struct birth birth = {.place = place,
                          .config = is_new ? instance->next : instance->config,
                          .generation = instance->generation + (is_new ? 1 : 0),
                          .number = instance_next_number(instance),
                          .is_new = is_new,
                          .pin = pool_pin(pool, is_new)};
    pool->kind->equip(&birth);
    return birth;
}

static struct child *deliver(struct place *place, const struct birth *birth,
                             struct child_spec *spec, char *out_why, size_t size) {
    struct pool *pool = place->pool;
    struct instance *instance = pool->instance;
    char title[128];
    const struct program *program = &instance->programs.list[pool->kind->program];
    snprintf(title, sizeof(title), "crewman: %s %s generation %u", pool->kind->word,
             place->label, birth->generation);
    spec->program = program->path;
    spec->file = program_file(program, birth->config->pin);
    spec->title = title;
    spec->log_pipes = &instance->log_pipes;
    spec->plan = pool->kind->plan(birth);
    return child_start(&instance->spawner, spec, out_why, size);
}

struct child *birth_start(struct place *place, bool is_new, const struct child_events *events,
                          char *out_why, size_t size) {
    struct pool *pool = place->pool;
    struct birth birth = conceive(place, is_new);
    struct child_spec spec = {.label = place->label,
                              .app = birth.app,
                              .own_count = birth.own_count,
                              .generation = birth.generation,
                              .number = birth.number,
                              .start_ms = birth.config->start_timeout_ms,
                              .orphan_ms = birth.config->drain_timeout_ms +
                                           birth.config->reload_spread_ms,
                              .siblings = &pool->children,
                              .events = events,
                              .owner = place};
    memcpy(spec.own_fds, birth.own_fds, sizeof(spec.own_fds));
    return deliver(place, &birth, &spec, out_why, size);
}
