/* SPDX-License-Identifier: MIT
 *
 * See reload.h. Until the canaries are ready, `next` of each service points into the new
 * configuration and the old one is in force; committing swaps them.
 */
#include "reload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin.h"
#include "loading.h"
#include "log.h"
#include "master.h"
#include "memory.h"
#include "service.h"
#include "supervisor.h"

enum reload_phase { RELOAD_LOADING, RELOAD_CANARIES, RELOAD_ROLLING };

struct reload {
    struct master *master;
    struct admin_client *client; /* NULL: a signal asked, or it has gone */
    struct loading *loading;
    struct config *config; /* the new one, until it is committed */
    enum reload_phase phase;
    unsigned waiting; /* canaries, or services that still roll */
    bool is_graceful, is_over;
};

const struct config *reload_config_of(const struct master *master, unsigned generation) {
    bool is_next = generation > master->generation && master->reload && master->reload->config;
    return is_next ? master->reload->config : master->config;
}

bool reload_is_graceful(const struct master *master) {
    return master->reload && master->reload->is_graceful;
}

bool reload_is_for(const struct master *master, const struct admin_client *client) {
    return master->reload && master->reload->client == client;
}

void reload_forget_client(struct master *master, const struct admin_client *client) {
    if (master->reload && master->reload->client == client)
        master->reload->client = NULL;
}

/* A line of the log each: there is no other place to see them when a signal asked. */
static void log_refusal(const char *why) {
    for (const char *line = why; *line;) {
        size_t len = strcspn(line, "\n");
        log_error("reload: %.*s", (int)len, line);
        line += len + (line[len] != '\0');
    }
}

static void finish(struct reload *reload, const char *why) {
    struct master *master = reload->master;
    if (why)
        log_refusal(why);
    else
        log_notice("reload: done, generation %u", master->generation);
    if (reload->client)
        admin_answer(reload->client, why);
    config_free(reload->config);
    master->reload = NULL;
    free(reload);
}

/* Not from the end of the last one: its callers may still be on their way out of it. */
void reload_follow_up(struct master *master) {
    if (!master->reload_again || master->reload || master->phase != MASTER_RUNNING)
        return;
    master->reload_again = false;
    reload_start(master, master->again_is_graceful, NULL);
}

/* Its sockets are closed at once: who connects must be refused and not wait in vain. */
static void leave(struct service *service) {
    service->is_leaving = true;
    service_release(service);
    for (unsigned i = 0; i < service->place_count; i++)
        supervisor_tell(service->places[i], SLOT_ON_RETIRE);
}

/* Nothing may remain of what prepare() and the canaries did. */
static void undo(struct reload *reload) {
    struct list *node, *after;
    list_each_safe (node, after, &reload->master->services) {
        struct service *service = list_entry(node, struct service, in_master);
        bool is_new = service->config == service->next;
        if (service->is_leaving || !service->next)
            continue;
        if (is_new) {
            leave(service);
            supervisor_check_empty(service);
            continue;
        }
        service->next = NULL;
        service->is_moving = false;
        sockets_unref(service->next_sockets);
        service->next_sockets = NULL;
        sockets_shrink(service->sockets, service->config->workers);
        supervisor_tell(service->places[0], SLOT_ON_CANCEL);
    }
}

static void revive(struct place *place) {
    enum slot_state state = place->slot.state;
    if (state == SLOT_GONE || state == SLOT_DRAINING)
        place->slot = (struct slot){.state = SLOT_EMPTY, .restarts = place->slot.restarts};
}

/* The new configuration is in force: who serves goes on, and where nobody does somebody is
 * started. */
static void stop_rolling(struct master *master) {
    struct list *node;
    list_each (node, &master->services) {
        struct service *service = list_entry(node, struct service, in_master);
        for (unsigned i = 0; !service->is_leaving && i < service->config->workers; i++) {
            revive(service->places[i]);
            supervisor_tell(service->places[i], SLOT_ON_CANCEL);
            supervisor_tell(service->places[i], SLOT_ON_START);
        }
    }
}

static void fail(struct reload *reload, const char *why) {
    if (reload->is_over)
        return;
    reload->is_over = true;
    if (reload->master->phase == MASTER_STOPPING)
        ; /* everything goes, also what it began */
    else if (reload->phase == RELOAD_CANARIES)
        undo(reload);
    else if (reload->phase == RELOAD_ROLLING)
        stop_rolling(reload->master);
    finish(reload, why);
}

static bool has_moved(const struct service *service, const struct config_service *config) {
    if (!service->sockets || config->listen.protocol == LISTEN_NONE)
        return service->sockets || config->listen.protocol != LISTEN_NONE;
    return !sockets_fit(service->sockets, config);
}

/* Those of another service, which may have another name or address in the new configuration, or
 * new ones. */
static int find_sockets(struct master *master, const struct config_service *config,
                        struct sockets **out_sockets, char *why, size_t size) {
    struct list *node;
    list_each (node, &master->services) {
        struct sockets *sockets = list_entry(node, struct service, in_master)->sockets;
        if (!sockets || !sockets_fit(sockets, config))
            continue;
        if (sockets_grow(sockets, config->workers, why, size) != 0)
            return -1;
        *out_sockets = sockets_ref(sockets);
        return 0;
    }
    return sockets_open(config, out_sockets, why, size);
}

/* Bind and make what the new configuration needs beside what there is. */
static int prepare_service(struct master *master, const struct config_service *config,
                           char *why, size_t size) {
    struct service *service = service_find(master, config->name);
    struct sockets *sockets = NULL;
    bool is_moving = !service || has_moved(service, config);
    if (is_moving && find_sockets(master, config, &sockets, why, size) != 0)
        return -1;
    if (!service) {
        service = service_new(master, config, sockets, why, size);
        if (!service) {
            sockets_unref(sockets);
            return -1;
        }
        service->next = config;
        return 0;
    }
    service->next = config;
    service->is_moving = is_moving;
    service->is_kept = !config->reloadable && !is_moving;
    service->next_sockets = sockets;
    return is_moving ? 0 : sockets_grow(service->sockets, config->workers, why, size);
}

static int prepare(struct reload *reload, char *why, size_t size) {
    struct config *config = reload->config;
    for (size_t i = 0; i < config->service_count; i++)
        if (prepare_service(reload->master, &config->services[i], why, size) != 0)
            return -1;
    return 0;
}

/* A worker that serves a service which is not reloadable. */
static bool stays(const struct service *service, unsigned index) {
    return service->is_kept && service->places[index]->slot.state == SLOT_READY;
}

static bool has_canary(const struct service *service) {
    return service->next && !stays(service, 0);
}

static unsigned count_canaries(struct master *master) {
    struct list *node;
    unsigned count = 0;
    list_each (node, &master->services)
        count += has_canary(list_entry(node, struct service, in_master));
    return count;
}

static void put_in_force(struct reload *reload);

static void start_canaries(struct reload *reload) {
    struct list *node, *after;
    struct master *master = reload->master;
    reload->waiting = count_canaries(master);
    if (reload->waiting == 0) {
        put_in_force(reload);
        return;
    }
    list_each_safe (node, after, &master->services) {
        struct service *service = list_entry(node, struct service, in_master);
        if (has_canary(service))
            supervisor_tell(service->places[0], SLOT_ON_CANARY);
        if (master->reload != reload)
            return; /* it has failed already */
    }
}

static void tell_replaced(struct reload *reload, const struct place *place) {
    if (reload->client)
        admin_progress(reload->client, "%s/%u replaced", place->service->name, place->index);
}

/* Go on with the next slot of this service, or be done with it. `index` is the one that was
 * just replaced. */
static void roll_on(struct reload *reload, struct service *service, unsigned index) {
    do
        index++;
    while (index < service->config->workers && stays(service, index));
    if (index < service->config->workers) {
        revive(service->places[index]);
        supervisor_tell(service->places[index], SLOT_ON_REPLACE);
        return;
    }
    if (--reload->waiting == 0) {
        reload->is_over = true;
        finish(reload, NULL);
    }
}

static void adopt_next(struct service *service) {
    if (service->is_moving) {
        sockets_unref(service->sockets);
        service->sockets = service->next_sockets;
    }
    service->next_sockets = NULL;
    service->is_moving = false;
    service_adopt(service, service->next);
    service->next = NULL;
    service_grow(service, service->config->workers);
    sockets_shrink(service->sockets, service->config->workers);
}

/* All canaries are ready: from here on the new configuration is in force. */
static void commit(struct reload *reload) {
    struct master *master = reload->master;
    struct config *old = master->config;
    struct list *node, *after;
    master->config = reload->config;
    reload->config = NULL;
    master->generation++;
    reload->phase = RELOAD_ROLLING;
    reload->waiting = 1; /* until all have been set going */
    list_each_safe (node, after, &master->services) {
        struct service *service = list_entry(node, struct service, in_master);
        if (service->is_leaving)
            continue;
        if (!service->next) {
            leave(service);
            supervisor_check_empty(service);
            continue;
        }
        adopt_next(service);
        reload->waiting++;
        supervisor_tell(service->places[0], SLOT_ON_COMMIT);
        for (unsigned i = service->config->workers; i < service->place_count; i++)
            supervisor_tell(service->places[i], SLOT_ON_RETIRE);
    }
    config_free(old);
    log_setup(master->log_fd, (enum crew_log_level)master->config->log_level, "master");
}

static void roll_all(struct reload *reload) {
    struct master *master = reload->master;
    struct list *node, *after;
    list_each_safe (node, after, &master->services) {
        struct service *service = list_entry(node, struct service, in_master);
        if (!service->is_leaving) {
            if (!service->is_kept)
                tell_replaced(reload, service->places[0]);
            roll_on(reload, service, 0);
        }
        if (master->reload != reload)
            return;
    }
    if (--reload->waiting == 0) {
        reload->is_over = true;
        finish(reload, NULL);
    }
}

static void put_in_force(struct reload *reload) {
    commit(reload);
    roll_all(reload);
}

void reload_place_ready(struct master *master, struct place *place) {
    struct reload *reload = master->reload;
    if (!reload || reload->is_over)
        return;
    if (reload->phase == RELOAD_CANARIES) {
        if (--reload->waiting == 0)
            put_in_force(reload);
        return;
    }
    supervisor_tell(place, SLOT_ON_COMMIT);
    tell_replaced(reload, place);
    roll_on(reload, place->service, place->index);
}

void reload_place_failed(struct master *master, struct place *place) {
    struct reload *reload = master->reload;
    char why[1024];
    if (!reload || reload->is_over || reload->phase == RELOAD_LOADING)
        return;
    snprintf(why, sizeof(why), "%s/%u: the new worker did not become ready: %s; %s",
             place->service->name, place->index,
             place->last_failure ? place->last_failure : "it died",
             reload->phase == RELOAD_CANARIES ? "nothing was changed"
                                              : "the workers left keep serving");
    fail(reload, why);
}

static char *join(const struct config_errors *errors) {
    char *text = memory_copy_text("");
    for (size_t i = 0; i < errors->count; i++) {
        char *longer = memory_format("%s%s%s", text, i ? "\n" : "", errors->lines[i]);
        free(text);
        text = longer;
    }
    return text;
}

static void refuse_with(struct reload *reload, const struct config_errors *errors) {
    char *why = join(errors);
    fail(reload, why);
    free(why);
}

static void on_loaded(void *owner, struct config *config, const struct config_errors *errors) {
    struct reload *reload = owner;
    struct config_errors conflicts = {0};
    char why[512];
    reload->loading = NULL;
    reload->config = config;
    if (!config) {
        refuse_with(reload, errors);
        return;
    }
    if (config_reload_conflicts(reload->master->config, config, &conflicts) > 0) {
        refuse_with(reload, &conflicts);
        config_errors_done(&conflicts);
        return;
    }
    reload->phase = RELOAD_CANARIES;
    if (prepare(reload, why, sizeof(why)) != 0)
        fail(reload, why);
    else
        start_canaries(reload);
}

void reload_start(struct master *master, bool is_graceful, struct admin_client *client) {
    static const struct loading_done done = {on_loaded};
    if (master->reload && !client) {
        log_notice("reload: one is running; another follows it");
        master->reload_again = true;
        master->again_is_graceful = is_graceful;
        return;
    }
    if (master->reload || master->phase != MASTER_RUNNING) {
        admin_answer(client, master->reload
                                 ? "a reload is running already; try again when it is done"
                                 : "the instance is not running");
        return;
    }
    struct reload *reload = memory_new(sizeof(*reload));
    reload->master = master;
    reload->client = client;
    reload->is_graceful = is_graceful;
    master->reload = reload;
    log_notice("reload%s: reading configuration and apps", is_graceful ? " (graceful)" : "");
    reload->loading =
        loading_start(&master->loop, master->options, master->worker_path, &done, reload);
}

void reload_abandon(struct master *master, const char *why) {
    struct reload *reload = master->reload;
    if (!reload)
        return;
    loading_cancel(reload->loading);
    reload->loading = NULL;
    master->reload_again = false;
    fail(reload, why);
}
