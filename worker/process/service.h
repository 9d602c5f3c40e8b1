/* SPDX-License-Identifier: MIT
 *
 * One service as this process runs it: its endpoint, what the app and the configuration say of
 * it, and what its connections share beside that. A connection's endpoint is the first member
 * of its service: service_of() is how the protocols find it.
 */
#ifndef CREWMAN_SERVICE_H
#define CREWMAN_SERVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "acceptor.h"
#include "config.h"
#include "conn.h"
#include "cookie_store.h"
#include "crewman.h"
#include "endpoint.h"
#include "networks.h"
#include "peers.h"
#include "static.h"
#include "udp.h"

struct worker;

/* Events to the owner of the services. */
struct service_events {
    void (*conn_ended)(struct worker *worker);
};

struct service {
    struct endpoint endpoint; /* first */
    struct worker *worker;
    const struct service_events *events;
    const struct config_service *config; /* borrowed from the plan */
    struct crew_service app;             /* the callbacks */
    struct crew_protocol framing;        /* what app.protocol points to, if it is set */
    struct crew_service_ref ref;         /* what the app is told of it */
    char *settings;                      /* the config's, as JSON text */
    int listener_fd;                     /* -1: none */
    struct networks proxies;             /* config->trusted_proxies */
    struct peers peers;
    struct acceptor acceptor;
    struct udp udp; /* in place of the acceptor, for datagrams */
    struct static_files files;
    struct cookie_store cookies;
    bool is_started;
    bool is_opened; /* at run time: the state on the process's page is not its own */
};

static inline struct service *service_of(const struct crew_conn *conn) {
    return (struct service *)(void *)conn->endpoint;
}

/* Into zeroed memory, whose `worker`, `events`, `config`, `app` and `listener_fd` are set: the
 * reference for the app, endpoint, files and cookies. 0; or a negative error, with a line for
 * people that says why. */
int service_start(struct service *service, char *out_why, size_t size);

/* Begin to take connections or datagrams; nothing to do without a listener. 0 or a negative
 * error. */
int service_accept(struct service *service);

/* What waits in the backlog, whatever the limits say. Only of a socket that nobody else has. */
void service_take_waiting(struct service *service);

/* Has it connections that a graceful end waits for? What udp's peers send goes to the next
 * worker at once: no use to wait for them. */
bool service_has_streams(const struct service *service);

/* Take no more, for good. Harmless twice. */
void service_stop_accepting(struct service *service);

/* Ends what service_start() began, when no connection is left; harmless without. The loop must
 * be run once more to close handles. */
void service_stop(struct service *service);

#endif
