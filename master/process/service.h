/* SPDX-License-Identifier: MIT
 *
 * A service in the master: its listening sockets, its slots and processes.
 * During a reload it also has the configuration and sockets that it will have.
 */
#ifndef CREWMAN_SERVICE_H
#define CREWMAN_SERVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "config.h"
#include "list.h"
#include "slot.h"
#include "sockets.h"
#include "tally.h"

struct child;
struct instance;
struct kind;

/* A slot with what it needs to act. */
struct place {
    struct slot slot;
    struct service *service;
    unsigned index;
    char label[CONFIG_NAME_MAX + 16]; /* "chat/0" */
    struct child *serving, *coming;   /* borrowed from service->children */
    uv_timer_t timer;
    uint64_t retry_at_ms; /* in backoff */
    char *last_failure;   /* of the last death, for status; may be NULL */
    struct tally sums;    /* of the children that have ended here */
};

struct service {
    struct list in_instance;
    struct instance *instance;
    const struct kind *kind; /* of its children */
    char name[CONFIG_NAME_MAX + 1];
    char *listen, *label;                /* as configured, for people */
    const struct config_service *config; /* in force; borrowed from the instance's config; NULL
                                            of one that leaves */
    const struct config_service *next;   /* of the reload that runs, or NULL */
    struct sockets *sockets, *next_sockets;
    bool is_moving; /* the reload brings next_sockets */
    bool is_kept;   /* the reload leaves its workers as they are */
    struct place **places;
    unsigned place_count;
    struct list children;
    bool is_leaving; /* a reload has removed it: freed when its last process has ended */
};

/* The places are EMPTY; takes `sockets` (NULL: no listener). */
struct service *service_new(struct instance *instance, const struct kind *kind,
                            const struct config_service *config, struct sockets *sockets);

/* Only when no child is left; its sums stay with the instance. */
void service_free(struct service *service);

/* More places, EMPTY. */
void service_grow(struct service *service, unsigned count);

/* `config` is in force from now on. */
void service_adopt(struct service *service, const struct config_service *config);

/* Who connects from now on is refused, and does not wait for a worker that never comes. */
void service_stop_listening(struct service *service);

/* That, and no configuration any more; what drains keeps its own copies. */
void service_release(struct service *service);

/* Of a reload: a child that serves a service which is not reloadable stays. */
bool service_keeps(const struct service *service, unsigned slot);
bool service_has_canary(const struct service *service);

struct service *service_find(struct instance *instance, const char *name);

/* The socket that a worker in that slot listens on; -1: none. `is_new`: of the sockets that the
 * reload brings. */
int service_listener(const struct service *service, unsigned slot, bool is_new);

#endif
