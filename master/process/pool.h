/* SPDX-License-Identifier: MIT
 *
 * A pool: the processes of one name, and the services that live in them. Mostly it is one
 * service and has its name; services that name the same `process` share a pool of that name.
 * The pool has the slots and the children; the addresses are its services'. What its services
 * agree in (number of workers, user, group, reloadable) stands in the configuration of each.
 */
#ifndef CREWMAN_POOL_H
#define CREWMAN_POOL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "config.h"
#include "list.h"
#include "pin.h"
#include "service.h"
#include "slot.h"
#include "tally.h"

struct child;
struct instance;
struct kind;

/* A slot with what it needs to act. */
struct place {
    struct slot slot;
    struct pool *pool;
    unsigned index;
    char label[CONFIG_NAME_MAX + 16]; /* "chat/0" */
    struct child *serving, *coming;   /* borrowed from pool->children */
    uv_timer_t timer;
    uint64_t retry_at_ms; /* in backoff */
    char *last_failure;   /* of the last death, for status; may be NULL */
    struct tally sums;    /* of the children that have ended here */
};

struct pool {
    struct list in_instance;
    struct instance *instance;
    const struct kind *kind; /* of its children */
    char name[CONFIG_NAME_MAX + 1];
    struct list services;                /* in the order of the configuration in force */
    const struct config_service *config; /* in force, of one of its services: what all agree in;
                                            NULL of a pool that leaves */
    const struct config_service *next;   /* likewise of the reload that runs, or NULL */
    struct pin *pin, *next_pin;          /* likewise, of the app; NULL: none */
    bool is_kept;                        /* the reload leaves its workers as they are */
    struct place **places;
    unsigned place_count;
    struct list children;
    bool is_leaving; /* a reload has removed it: freed when its last process has ended */
};

static inline struct pool *pool_of(struct list *node) {
    return list_entry(node, struct pool, in_instance);
}

/* No services yet; the places are EMPTY. */
struct pool *pool_new(struct instance *instance, const struct kind *kind,
                      const struct config_service *config);

/* Only when no child is left; its sums stay with the instance. */
void pool_free(struct pool *pool);

/* The child of any pool with that pid, or NULL. */
struct child *pool_find_child(const struct instance *instance, int pid);

/* That of the processes which the service of that configuration lives in. NULL: there is none,
 * or it is leaving. */
struct pool *pool_find(struct instance *instance, const struct config_service *config);

/* A service more, behind the others; takes `sockets` (NULL: no listener). */
struct service *pool_add(struct pool *pool, const struct config_service *config,
                         struct sockets *sockets);
struct service *pool_service(const struct pool *pool, const char *name);

/* The copy of the app that a child loads, in force or of the reload that runs; NULL: none. Of a
 * pool that is kept it stays the old one. */
struct pin *pool_pin(const struct pool *pool, bool is_new);

/* More places, EMPTY. */
void pool_grow(struct pool *pool, unsigned count);

/* What its services will have, after the reload's `config`, is in force from now on; those that
 * are in it no more are freed. */
void pool_adopt(struct pool *pool, const struct config *config);

/* Who connects to one of its services from now on is refused. */
void pool_stop_listening(struct pool *pool);

/* That, and no configuration any more; what drains keeps its own copies. */
void pool_release(struct pool *pool);

/* Would the reload that runs bring other services, or other addresses? */
bool pool_changes(const struct pool *pool);

/* Of the place, oldest first, also those that drain: the first with `after` NULL. NULL behind
 * the last. */
struct child *place_next_child(const struct place *place, const struct child *after);

/* Of a reload: a child that serves a pool which is not reloadable stays. */
/* Does anybody serve? */
bool pool_serves(const struct pool *pool);
bool pool_keeps(const struct pool *pool, unsigned slot);
bool pool_has_canary(const struct pool *pool);

#endif
