/* SPDX-License-Identifier: MIT
 *
 * See changeover.h. Until it is committed `next` of each service points into the configuration
 * that is not in force yet; NULL: the service is in force only, and leaves with the commit.
 */
#include "changeover.h"

#include "kind_worker.h"
#include "service.h"
#include "supervisor.h"

/* Its sockets are closed at once: who connects must be refused and not wait in vain. */
static void leave(struct service *service) {
    service->is_leaving = true;
    service_release(service);
    for (unsigned i = 0; i < service->place_count; i++)
        supervisor_tell(service->places[i], SLOT_ON_RETIRE);
}

void changeover_undo(struct instance *instance) {
    struct list *node, *after;
    list_each_safe (node, after, &instance->services) {
        struct service *service = list_entry(node, struct service, in_instance);
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

static bool has_moved(const struct service *service, const struct config_service *config) {
    if (!service->sockets || config->listen.protocol == LISTEN_NONE)
        return service->sockets || config->listen.protocol != LISTEN_NONE;
    return !sockets_fit(service->sockets, config);
}

/* Those of another service, which may have another name or address in the new configuration, or
 * new ones. */
static int find_sockets(struct instance *instance, const struct config_service *config,
                        struct sockets **out_sockets, char *why, size_t size) {
    struct list *node;
    list_each (node, &instance->services) {
        struct sockets *sockets = list_entry(node, struct service, in_instance)->sockets;
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
static int prepare_service(struct instance *instance, const struct config_service *config,
                           char *why, size_t size) {
    struct service *service = service_find(instance, config->name);
    struct sockets *sockets = NULL;
    bool is_moving = !service || has_moved(service, config);
    if (is_moving && find_sockets(instance, config, &sockets, why, size) != 0)
        return -1;
    if (!service) {
        service = service_new(instance, kind_worker(), config, sockets);
        service->next = config;
        return 0;
    }
    service->next = config;
    service->is_moving = is_moving;
    service->is_kept = !config->reloadable && !is_moving;
    service->next_sockets = sockets;
    return is_moving ? 0 : sockets_grow(service->sockets, config->workers, why, size);
}

int changeover_prepare(struct instance *instance, char *out_why, size_t size) {
    const struct config *next = instance->next;
    for (size_t i = 0; i < next->service_count; i++)
        if (prepare_service(instance, &next->services[i], out_why, size) != 0)
            return -1;
    return 0;
}

unsigned changeover_canaries(const struct instance *instance) {
    struct list *node;
    unsigned count = 0;
    list_each (node, &instance->services)
        count += service_has_canary(list_entry(node, struct service, in_instance));
    return count;
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

void changeover_commit(struct instance *instance) {
    struct list *node, *after;
    list_each_safe (node, after, &instance->services) {
        struct service *service = list_entry(node, struct service, in_instance);
        if (service->is_leaving)
            continue;
        if (!service->next) {
            leave(service);
            supervisor_check_empty(service);
            continue;
        }
        adopt_next(service);
        supervisor_tell(service->places[0], SLOT_ON_COMMIT);
        for (unsigned i = service->config->workers; i < service->place_count; i++)
            supervisor_tell(service->places[i], SLOT_ON_RETIRE);
    }
}
