/* SPDX-License-Identifier: MIT
 *
 * See pool.h.
 */
#include "pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "child.h"
#include "instance.h"
#include "memory.h"

struct pool *pool_new(struct instance *instance, const struct kind *kind,
                      const struct config_service *config) {
    struct pool *pool = memory_new(sizeof(*pool));
    pool->instance = instance;
    pool->kind = kind;
    pool->config = config;
    snprintf(pool->name, sizeof(pool->name), "%s", config_process_name(config));
    list_init(&pool->services);
    list_init(&pool->children);
    list_append(&instance->pools, &pool->in_instance);
    pool_grow(pool, config->workers);
    return pool;
}

struct service *pool_add(struct pool *pool, const struct config_service *config,
                         struct sockets *sockets) {
    struct service *service = service_new(config, sockets);
    list_append(&pool->services, &service->in_pool);
    return service;
}

struct service *pool_service(const struct pool *pool, const char *name) {
    struct list *node;
    list_each (node, &pool->services)
        if (strcmp(service_of(node)->name, name) == 0)
            return service_of(node);
    return NULL;
}

void pool_grow(struct pool *pool, unsigned count) {
    if (count <= pool->place_count)
        return;
    pool->places = memory_resize(pool->places, count, sizeof(struct place *));
    while (pool->place_count < count) {
        struct place *place = memory_new(sizeof(*place));
        place->pool = pool;
        place->index = pool->place_count;
        snprintf(place->label, sizeof(place->label), "%s/%u", pool->name, place->index);
        uv_timer_init(&pool->instance->loop, &place->timer);
        place->timer.data = place;
        pool->places[pool->place_count++] = place;
    }
}

/* As the configuration has them. */
static void put_in_order(struct pool *pool, const struct config *config) {
    for (size_t i = 0; i < config->service_count; i++) {
        struct service *service = pool_service(pool, config->services[i].name);
        if (!service || service->config != &config->services[i])
            continue; /* of another pool */
        list_remove(&service->in_pool);
        list_append(&pool->services, &service->in_pool);
    }
}

struct pin *pool_pin(const struct pool *pool, bool is_new) {
    return is_new && !pool->is_kept ? pool->next_pin : pool->pin;
}

/* Of a pool that is kept the new app has been tried by nobody. */
static void adopt_pin(struct pool *pool) {
    struct pin *rest = pool->is_kept ? pool->next_pin : pool->pin;
    if (!pool->is_kept)
        pool->pin = pool->next_pin;
    pool->next_pin = NULL;
    pin_unref(rest);
}

void pool_adopt(struct pool *pool, const struct config *config) {
    struct list *node, *after;
    list_each_safe (node, after, &pool->services) {
        struct service *service = service_of(node);
        if (service->next)
            service_adopt(service, pool->instance->generation);
        else
            service_free(service);
    }
    put_in_order(pool, config);
    adopt_pin(pool);
    pool->config = pool->next;
    pool->next = NULL;
    pool_grow(pool, pool->config->workers);
}

void pool_stop_listening(struct pool *pool) {
    struct list *node;
    list_each (node, &pool->services)
        service_stop_listening(service_of(node));
}

void pool_release(struct pool *pool) {
    struct list *node;
    pool_stop_listening(pool);
    list_each (node, &pool->services)
        service_of(node)->config = service_of(node)->next = NULL;
    pool->config = pool->next = NULL;
}

static void on_place_closed(uv_handle_t *handle) {
    struct place *place = handle->data;
    free(place->last_failure);
    free(place);
}

void pool_free(struct pool *pool) {
    struct list *node, *after;
    list_remove(&pool->in_instance);
    for (unsigned i = 0; i < pool->place_count; i++) {
        tally_add(&pool->instance->retired, &pool->places[i]->sums);
        uv_close((uv_handle_t *)&pool->places[i]->timer, on_place_closed);
    }
    list_each_safe (node, after, &pool->services)
        service_free(service_of(node));
    pin_unref(pool->pin);
    pin_unref(pool->next_pin);
    free(pool->places);
    free(pool);
}

struct child *place_next_child(const struct place *place, const struct child *after) {
    const struct list *all = &place->pool->children;
    struct list *node = after ? after->in_siblings.next : all->next;
    while (node != all && child_of(node)->owner != place)
        node = node->next;
    return node == all ? NULL : child_of(node);
}

bool pool_changes(const struct pool *pool) {
    struct list *node;
    list_each (node, &pool->services) {
        const struct service *service = service_of(node);
        if (!service->next || service->is_moving || service_is_new(service))
            return true;
    }
    return false;
}

bool pool_serves(const struct pool *pool) {
    for (unsigned i = 0; i < pool->place_count; i++)
        if (pool->places[i]->serving)
            return true;
    return false;
}

bool pool_keeps(const struct pool *pool, unsigned slot) {
    return pool->is_kept && pool->places[slot]->slot.state == SLOT_READY;
}

bool pool_has_canary(const struct pool *pool) {
    return pool->next && !pool_keeps(pool, 0);
}

struct child *pool_find_child(const struct instance *instance, int pid) {
    struct list *node, *inner;
    list_each (node, &instance->pools)
        list_each (inner, &pool_of(node)->children)
            if (child_of(inner)->spawned.pid == pid)
                return child_of(inner);
    return NULL;
}

struct pool *pool_find(struct instance *instance, const struct config_service *config) {
    struct list *node;
    list_each (node, &instance->pools) {
        struct pool *pool = pool_of(node);
        if (strcmp(pool->name, config_process_name(config)) == 0 && !pool->is_leaving)
            return pool;
    }
    return NULL;
}
