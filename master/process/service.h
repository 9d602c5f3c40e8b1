/* SPDX-License-Identifier: MIT
 *
 * A service in the master: what is configured of it, and its listening sockets. It lives in the
 * processes of one pool. During a reload it also has the configuration and sockets that it will
 * have. Knows nothing of processes.
 */
#ifndef CREWMAN_SERVICE_H
#define CREWMAN_SERVICE_H

#include <stdbool.h>

#include "config.h"
#include "heal.h"
#include "list.h"
#include "sockets.h"

struct service {
    struct list in_pool;
    char name[CONFIG_NAME_MAX + 1];
    char *listen, *label;                /* as configured, for people */
    const struct config_service *config; /* in force; borrowed from the instance's config */
    const struct config_service *next;   /* of the reload that runs; NULL: none, or it leaves
                                            with the reload */
    struct sockets *sockets, *next_sockets;
    bool is_moving; /* the reload brings next_sockets */
    struct health health;
};

static inline struct service *service_of(struct list *node) {
    return list_entry(node, struct service, in_pool);
}

/* Takes `sockets` (NULL: no listener); the caller puts it into a pool. */
struct service *service_new(const struct config_service *config, struct sockets *sockets);

/* Who connects from now on is refused. */
void service_free(struct service *service);

/* Who connects from now on is refused, and does not wait for a worker that never comes. */
void service_stop_listening(struct service *service);

/* Of a reload: the configuration that it will have, and with `is_moving` the sockets, which are
 * taken. */
void service_expect(struct service *service, const struct config_service *next, bool is_moving,
                    struct sockets *sockets);

/* It is only in the configuration that is not in force yet. */
bool service_is_new(const struct service *service);

/* What it will have is in force from now on, and the workers of `generation` have it; or is
 * forgotten. */
void service_adopt(struct service *service, unsigned generation);
void service_forget_next(struct service *service);

/* The socket that a worker in that slot listens on; -1: none. `is_new`: of the sockets that the
 * reload brings. */
int service_listener(const struct service *service, unsigned slot, bool is_new);

/* It does listen, as it is ready. */
void service_note_listening(struct service *service, unsigned slot, bool is_new);

#endif
