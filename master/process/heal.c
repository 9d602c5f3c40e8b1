/* SPDX-License-Identifier: MIT
 *
 * See heal.h.
 */
#include "heal.h"

#include "child.h"
#include "instance.h"
#include "log.h"
#include "pool.h"
#include "sockets.h"
#include "supervisor.h"

#define WAIT_MIN_MS 10000u
#define WAIT_MAX_MS 300000u
#define RENEW_MS    1000u

/* They have the old socket. Each goes when one that has the new socket is ready, as in a
 * reload, but with the code and configuration in force; see heal_place_ready(). */
static void renew_workers(const struct pool *pool, struct health *health, uint64_t now) {
    health->socket_ms = now;
    health->renew_at_ms = now + RENEW_MS;
    for (unsigned i = 0; i < pool->place_count; i++)
        supervisor_tell(pool->places[i], SLOT_ON_REPLACE);
}

/* One that came for them may have died, or made room for a reload that failed: again, later and
 * later. */
static void renew_rest(const struct pool *pool, struct health *health) {
    uint64_t now = uv_now(&pool->instance->loop);
    bool has_some = false;
    if (health->socket_ms == 0 || now < health->renew_at_ms || pool->instance->is_reloading)
        return;
    health->renew_at_ms = 2 * now - health->socket_ms;
    for (unsigned i = 0; i < pool->place_count; i++) {
        struct place *place = pool->places[i];
        if (!place->serving || place->serving->started_ms >= health->socket_ms)
            continue;
        has_some = true;
        if (place->slot.state == SLOT_READY)
            supervisor_tell(place, SLOT_ON_REPLACE);
    }
    if (!has_some)
        health->socket_ms = 0;
}

/* Before all is loaded a reload knows of no worker. */
void heal_place_ready(struct place *place) {
    const struct instance *instance = place->pool->instance;
    if (!instance->is_reloading || !instance->next)
        supervisor_tell(place, SLOT_ON_COMMIT);
}

void heal_make_room(struct instance *instance) {
    struct list *node;
    list_each (node, &instance->pools) {
        struct pool *pool = pool_of(node);
        for (unsigned i = 0; i < pool->place_count; i++)
            supervisor_tell(pool->places[i], SLOT_ON_CANCEL);
    }
}

static bool replace(struct service *service) {
    char why[512];
    struct sockets *old = service->sockets, *sockets;
    sockets_share(old, true);
    int err = sockets_open_beside(service->config, &sockets, why, sizeof(why));
    sockets_share(old, false);
    if (err) {
        log_error("%s: %s", service->name, why);
        return false;
    }
    sockets_share(sockets, false);
    service->sockets = sockets;
    sockets_unref(old);
    return true;
}

static void note_wait(struct health *health, uint64_t now) {
    health->wait_ms = health->wait_ms == 0 ? WAIT_MIN_MS : 2 * health->wait_ms;
    if (health->wait_ms > WAIT_MAX_MS)
        health->wait_ms = WAIT_MAX_MS;
    health->again_at_ms = now + health->wait_ms;
}

/* While a reload runs the sockets are its business. */
static void take_over(struct pool *pool, struct service *service) {
    struct health *health = &service->health;
    uint64_t now = uv_now(&pool->instance->loop);
    if (!health->is_deaf)
        log_error("%s: a worker has spoilt %s: nobody is served there", service->name,
                  service->listen);
    health->is_deaf = true;
    if (now < health->again_at_ms || pool->instance->is_reloading)
        return;
    note_wait(health, now);
    if (!replace(service))
        return;
    health->is_deaf = false;
    pool->instance->mended++;
    log_notice("%s: %s has a new socket; its workers are replaced", service->name,
               service->listen);
    renew_workers(pool, health, now);
}

static void look_at(struct pool *pool, struct service *service) {
    enum mend found = sockets_mend(service->sockets);
    if (found == MEND_BROKEN) {
        take_over(pool, service);
        return;
    }
    service->health.is_deaf = false;
    renew_rest(pool, &service->health);
    if (found != MEND_DONE)
        return;
    pool->instance->mended++;
    log_error("%s: a worker has spoilt %s: it was mended", service->name, service->listen);
}

void heal_look(struct instance *instance) {
    struct list *node, *inner;
    if (instance->phase != INSTANCE_RUNNING)
        return;
    list_each (node, &instance->pools) {
        struct pool *pool = pool_of(node);
        if (pool->is_leaving)
            continue;
        list_each (inner, &pool->services)
            look_at(pool, service_of(inner));
    }
}
