/* SPDX-License-Identifier: MIT
 *
 * See changeover.h. Until it is committed `next` of each pool and of each service points into
 * the configuration that is not in force yet; NULL: it is in force only, and leaves with the
 * commit.
 */
#include "changeover.h"

#include "kind_worker.h"
#include "pool.h"
#include "supervisor.h"

/* Its sockets are closed at once: who connects must be refused and not wait in vain. */
static void leave(struct pool *pool) {
    pool->is_leaving = true;
    pool_release(pool);
    for (unsigned i = 0; i < pool->place_count; i++)
        supervisor_tell(pool->places[i], SLOT_ON_RETIRE);
    supervisor_check_empty(pool);
}

static void undo_services(struct pool *pool) {
    struct list *node, *after;
    list_each_safe (node, after, &pool->services) {
        struct service *service = service_of(node);
        if (service_is_new(service))
            service_free(service);
        else
            service_forget_next(service);
    }
}

void changeover_undo(struct instance *instance) {
    struct list *node, *after;
    list_each_safe (node, after, &instance->pools) {
        struct pool *pool = pool_of(node);
        if (pool->is_leaving || !pool->next)
            continue;
        if (pool->config == pool->next) { /* a new one */
            leave(pool);
            continue;
        }
        pool->next = NULL;
        pin_unref(pool->next_pin);
        pool->next_pin = NULL;
        undo_services(pool);
        supervisor_tell(pool->places[0], SLOT_ON_CANCEL);
    }
}

static bool has_moved(const struct service *service, const struct config_service *config) {
    if (!service->sockets || config->listen.protocol == LISTEN_NONE)
        return service->sockets || config->listen.protocol != LISTEN_NONE;
    return !sockets_fit(service->sockets, config);
}

static struct sockets *find_fitting(const struct pool *pool,
                                    const struct config_service *config) {
    struct list *node;
    list_each (node, &pool->services) {
        struct sockets *sockets = service_of(node)->sockets;
        if (sockets && sockets_fit(sockets, config))
            return sockets;
    }
    return NULL;
}

/* Those of another service, which may have another name, process or address in the new
 * configuration, or new ones. */
static int find_sockets(struct instance *instance, const struct config_service *config,
                        struct sockets **out_sockets, char *why, size_t size) {
    struct list *node;
    list_each (node, &instance->pools) {
        struct sockets *sockets = find_fitting(pool_of(node), config);
        if (!sockets)
            continue;
        if (sockets_grow(sockets, config->workers, why, size) != 0)
            return -1;
        *out_sockets = sockets_ref(sockets);
        return 0;
    }
    return rivals_open(instance, config, out_sockets, why, size);
}

/* Bind and make what the new configuration needs beside what there is. */
static int prepare_service(struct instance *instance, const struct config_service *config,
                           char *why, size_t size) {
    struct pool *pool = pool_find(instance, config);
    struct service *service = pool ? pool_service(pool, config->name) : NULL;
    struct sockets *sockets = NULL;
    bool is_moving = !service || has_moved(service, config);
    if (is_moving && find_sockets(instance, config, &sockets, why, size) != 0)
        return -1;
    if (!pool)
        pool = pool_new(instance, kind_worker(), config);
    pool->next = config;
    if (!service) {
        service = pool_add(pool, config, sockets);
        service_expect(service, config, false, NULL);
        return 0;
    }
    service_expect(service, config, is_moving, sockets);
    return is_moving ? 0 : sockets_grow(service->sockets, config->workers, why, size);
}

/* The services of a pool agree in their app; one that is built in has none. */
static void expect_pin(struct pool *pool, const struct config_service *config,
                       const struct pins *pins) {
    if (config->app[0] && !pool->next_pin)
        pool->next_pin = pin_ref(pins_find(pins, config->app));
}

int changeover_prepare(struct instance *instance, const struct pins *pins, char *out_why,
                       size_t size) {
    const struct config *next = instance->next;
    struct list *node;
    rivals_end(instance); /* of the reload before */
    for (size_t i = 0; i < next->service_count; i++) {
        if (prepare_service(instance, &next->services[i], out_why, size) != 0)
            return -1;
        expect_pin(pool_find(instance, &next->services[i]), &next->services[i], pins);
    }
    list_each (node, &instance->pools) {
        struct pool *pool = pool_of(node);
        pool->is_kept =
            pool->next && !pool->next->reloadable && !pool_changes(pool) && pool_serves(pool);
    }
    return 0;
}

unsigned changeover_canaries(const struct instance *instance) {
    struct list *node;
    unsigned count = 0;
    list_each (node, &instance->pools)
        count += pool_has_canary(pool_of(node));
    return count;
}

void changeover_commit(struct instance *instance) {
    struct list *node, *after;
    list_each_safe (node, after, &instance->pools) {
        struct pool *pool = pool_of(node);
        if (pool->is_leaving)
            continue;
        if (!pool->next) {
            leave(pool);
            continue;
        }
        pool_adopt(pool, instance->config);
        supervisor_tell(pool->places[0], SLOT_ON_COMMIT);
        for (unsigned i = pool->config->workers; i < pool->place_count; i++)
            supervisor_tell(pool->places[i], SLOT_ON_RETIRE);
    }
}
