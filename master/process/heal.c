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

static bool is_old(const struct health *health, const struct child *child) {
    return child &&
           (child->started_ms < health->socket_ms || child->generation < health->generation);
}

bool heal_is_deaf(const struct child *child) {
    const struct pool *pool = ((const struct place *)child->owner)->pool;
    struct list *node;
    list_each (node, &pool->services) {
        const struct health *health = &service_of(node)->health;
        bool has_dead = health->has_old && !pool->instance->is_reloading;
        if (health->is_deaf || (has_dead && is_old(health, child)))
            return true;
    }
    return false;
}

/* Later and later, until nobody is left. */
static void note_attempt(struct health *health, uint64_t now) {
    uint64_t wait = health->renew_wait_ms == 0 ? RENEW_MS : 2 * health->renew_wait_ms;
    health->renew_wait_ms = wait > WAIT_MAX_MS ? WAIT_MAX_MS : wait;
    health->renew_at_ms = now + health->renew_wait_ms;
}

static void note_socket(struct health *health, uint64_t now) {
    health->has_old = true;
    health->socket_ms = now;
    health->renew_wait_ms = 0;
    note_attempt(health, now);
}

/* They have the old socket. Each goes when one that has the new socket is ready, as in a
 * reload, but with the code and configuration in force; see heal_place_ready(). */
static void renew_workers(const struct pool *pool) {
    for (unsigned i = 0; i < pool->place_count; i++)
        supervisor_tell(pool->places[i], SLOT_ON_REPLACE);
}

/* One that came for them may have died, or made room for a reload that failed; and one that
 * failed half way leaves workers with the socket from before a move. */
static void renew_rest(const struct pool *pool, struct health *health) {
    uint64_t now = uv_now(&pool->instance->loop);
    if (!health->has_old || now < health->renew_at_ms || pool->instance->is_reloading)
        return;
    note_attempt(health, now);
    health->has_old = false;
    for (unsigned i = 0; i < pool->place_count; i++) {
        struct place *place = pool->places[i];
        bool comes_old = is_old(health, place->coming);
        if (!comes_old && !is_old(health, place->serving))
            continue;
        health->has_old = true;
        if (comes_old || place->slot.state == SLOT_READY)
            supervisor_tell(place, SLOT_ON_REPLACE);
    }
    if (!health->has_old)
        health->renew_wait_ms = 0;
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
    note_socket(health, now);
    renew_workers(pool);
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
