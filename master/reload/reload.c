/* SPDX-License-Identifier: MIT
 *
 * See reload.h. The rollout decides, this carries out. Carrying out may bring the next event at
 * once (a worker that cannot be started), so that after each action the reload may be over: the
 * steps that follow then mean nothing to the rollout.
 */
#include "reload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "changeover.h"
#include "config_run_dir.h"
#include "heal.h"
#include "instance.h"
#include "log.h"
#include "memory.h"
#include "pool.h"
#include "rollout.h"
#include "supervisor.h"

struct reload {
    struct instance *instance;
    const struct reload_events *events;
    void *owner;
    struct rollout rollout;
    struct loading *loading;
    struct config *config; /* the new one, until it is committed */
};

/* A line of the log each: there is no other place to see them when a signal asked. */
static void log_refusal(const char *why) {
    for (const char *line = why; *line;) {
        size_t len = strcspn(line, "\n");
        log_error("reload: %.*s", (int)len, line);
        line += len + (line[len] != '\0');
    }
}

static void log_notes(const struct pins *pins) {
    for (size_t i = 0; i < pins->note_count; i++)
        log_info("reload: %s", pins->notes[i]);
}

static void finish(struct reload *reload, const char *why) {
    struct instance *instance = reload->instance;
    if (why) {
        log_refusal(why);
    } else {
        log_notice("reload: done, generation %u", instance->generation);
        instance_name_writers(instance);
    }
    instance->next = NULL;
    instance->is_reloading = instance->reloads_gracefully = false;
    rivals_reload_over(instance);
    config_free(reload->config);
    reload->config = NULL;
    reload->events->over(reload->owner, why);
}

static void revive(struct place *place) {
    enum slot_state state = place->slot.state;
    if (state == SLOT_GONE || state == SLOT_DRAINING)
        place->slot = (struct slot){.state = SLOT_EMPTY, .restarts = place->slot.restarts};
}

/* The new configuration is in force: who serves goes on, and where nobody does somebody is
 * started. */
static void settle(struct instance *instance) {
    struct list *node;
    list_each (node, &instance->pools) {
        struct pool *pool = pool_of(node);
        for (unsigned i = 0; !pool->is_leaving && i < pool->config->workers; i++) {
            revive(pool->places[i]);
            supervisor_tell(pool->places[i], SLOT_ON_CANCEL);
            supervisor_tell(pool->places[i], SLOT_ON_START);
        }
    }
}

/* A canary that cannot be started fails at once, and the pools that the reload brought are
 * freed before the call is back: then no node of the list is looked at any more. */
static void start_canaries(struct reload *reload) {
    struct list *node;
    list_each (node, &reload->instance->pools) {
        struct pool *pool = pool_of(node);
        if (pool_has_canary(pool))
            supervisor_tell(pool->places[0], SLOT_ON_CANARY);
        if (reload->rollout.phase != ROLLOUT_CANARIES)
            return;
    }
}

static void commit(struct reload *reload) {
    struct instance *instance = reload->instance;
    struct config *old = instance->config;
    instance_take_config(instance, reload->config);
    instance->next = reload->config = NULL;
    instance->generation++;
    changeover_commit(instance);
    config_free(old);
    log_set_level((enum crew_log_level)instance->config->log_level);
}

static void carry_out(struct reload *reload, unsigned actions, struct place *place,
                      const char *why);

/* Slots behind this one whose children do not stay. */
static unsigned slots_left(const struct place *place) {
    const struct pool *pool = place->pool;
    unsigned left = 0;
    for (unsigned i = place->index + 1; i < pool->config->workers; i++)
        left += !pool_keeps(pool, i);
    return left;
}

static void step(struct reload *reload, enum rollout_event event, struct place *place) {
    carry_out(reload, rollout_step(&reload->rollout, event, slots_left(place)), place, NULL);
}

static unsigned count_pools(const struct instance *instance) {
    struct list *node;
    unsigned count = 0;
    list_each (node, &instance->pools)
        count += !pool_of(node)->is_leaving;
    return count;
}

static void roll_all(struct reload *reload) {
    struct list *node;
    const struct instance *instance = reload->instance;
    carry_out(reload,
              rollout_step(&reload->rollout, ROLLOUT_ON_COMMITTED, count_pools(instance)), NULL,
              NULL);
    /* Once it is committed a failure frees no pool. */
    list_each (node, &instance->pools) {
        struct pool *pool = pool_of(node);
        if (reload->rollout.phase != ROLLOUT_ROLLING)
            return; /* one has failed already */
        if (pool->is_leaving)
            continue;
        if (!pool->is_kept)
            reload->events->progress(reload->owner, pool->places[0]);
        step(reload, ROLLOUT_ON_ROLL, pool->places[0]);
    }
}

static void replace_next(const struct place *place) {
    const struct pool *pool = place->pool;
    unsigned index = place->index + 1;
    while (pool_keeps(pool, index))
        index++;
    revive(pool->places[index]);
    supervisor_tell(pool->places[index], SLOT_ON_REPLACE);
}

/* `place`: whose worker became ready; `why`: of a failure. */
static void carry_out(struct reload *reload, unsigned actions, struct place *place,
                      const char *why) {
    if (actions & ROLLOUT_DO_CANARIES)
        start_canaries(reload);
    if (actions & ROLLOUT_DO_COMMIT) {
        commit(reload);
        roll_all(reload);
    }
    if (actions & ROLLOUT_DO_KEEP) {
        supervisor_tell(place, SLOT_ON_COMMIT);
        reload->events->progress(reload->owner, place);
    }
    if (actions & ROLLOUT_DO_NEXT)
        replace_next(place);
    if (actions & ROLLOUT_DO_UNDO)
        changeover_undo(reload->instance);
    if (actions & ROLLOUT_DO_SETTLE)
        settle(reload->instance);
    if (actions & ROLLOUT_DO_FINISH)
        finish(reload, why);
}

void reload_place_ready(struct reload *reload, struct place *place) {
    if (reload && reload->rollout.phase != ROLLOUT_OVER)
        step(reload, ROLLOUT_ON_READY, place);
}

static void fail(struct reload *reload, enum rollout_event event, const char *why) {
    carry_out(reload, rollout_step(&reload->rollout, event, 0), NULL, why);
}

void reload_place_failed(struct reload *reload, const struct place *place) {
    char why[1024];
    if (!reload)
        return;
    snprintf(why, sizeof(why), "%s: the new worker did not become ready: %s; %s", place->label,
             place->last_failure ? place->last_failure : "it died",
             reload->rollout.phase == ROLLOUT_CANARIES ? "nothing was changed"
                                                       : "the workers left keep serving");
    fail(reload, ROLLOUT_ON_FAILED, why);
}

static void refuse(struct reload *reload, const struct config_errors *errors) {
    char *why = memory_copy_text("");
    for (size_t i = 0; i < errors->count; i++) {
        char *longer = memory_format("%s%s%s", why, i ? "\n" : "", errors->lines[i]);
        free(why);
        why = longer;
    }
    fail(reload, ROLLOUT_ON_REFUSED, why);
    free(why);
}

static void begin(struct reload *reload, const struct pins *pins) {
    struct instance *instance = reload->instance;
    char why[512];
    heal_make_room(instance);
    instance->next = reload->config;
    if (changeover_prepare(instance, pins, why, sizeof(why)) != 0) {
        changeover_undo(instance);
        fail(reload, ROLLOUT_ON_REFUSED, why);
        return;
    }
    carry_out(reload,
              rollout_step(&reload->rollout, ROLLOUT_ON_LOADED, changeover_canaries(instance)),
              NULL, NULL);
}

static void on_loaded(void *owner, struct config *config, const struct pins *pins,
                      const struct config_errors *errors) {
    struct reload *reload = owner;
    struct config_errors conflicts = {0};
    reload->loading = NULL;
    reload->config = config;
    if (config)
        config_run_dir_keep(config, reload->instance->config);
    if (!config) {
        refuse(reload, errors);
    } else if (config_reload_conflicts(reload->instance->config, config, &conflicts) > 0) {
        refuse(reload, &conflicts);
        config_errors_done(&conflicts);
    } else {
        log_notes(pins);
        begin(reload, pins);
    }
}

struct reload *reload_start(struct instance *instance, const struct loading_source *source,
                            bool is_graceful, const struct reload_events *events, void *owner) {
    static const struct loading_done done = {on_loaded};
    struct reload *reload = memory_new(sizeof(*reload));
    reload->instance = instance;
    reload->events = events;
    reload->owner = owner;
    instance->is_reloading = true;
    instance->reloads_gracefully = is_graceful;
    log_notice("reload%s: reading configuration and apps", is_graceful ? " (graceful)" : "");
    reload->loading = loading_start(&instance->spawner, source,
                                    &instance->programs.list[PROGRAM_WORKER], &done, reload);
    return reload;
}

void reload_abandon(struct reload *reload, const char *why) {
    if (!reload)
        return;
    loading_cancel(reload->loading);
    reload->loading = NULL;
    fail(reload, ROLLOUT_ON_STOP, why);
}

void reload_free(struct reload *reload) {
    free(reload);
}
