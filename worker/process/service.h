/* SPDX-License-Identifier: MIT
 *
 * One service as this process runs it: its endpoint, what the app and the configuration say of
 * it, and what its connections share beside that. A connection's endpoint is the first member
 * of its service: service_of() is how the protocols find it. Those of a process are in one list
 * (services.h).
 */
#ifndef CREWMAN_SERVICE_H
#define CREWMAN_SERVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "acceptor.h"
#include "admission.h"
#include "config.h"
#include "conn.h"
#include "cookie_store.h"
#include "crewman.h"
#include "endpoint.h"
#include "list.h"
#include "networks.h"
#include "static.h"
#include "udp.h"

struct worker;

/* Events to the owner of the services. */
struct service_events {
    void (*conn_ended)(struct worker *worker);
};

/* Only ever goes forward. */
enum service_stage {
    SERVICE_NEW,
    SERVICE_STARTED,
    SERVICE_ACCEPTING, /* or it has no listener to accept from */
    SERVICE_DRAINING,
    SERVICE_STOPPED
};

struct service {
    struct endpoint endpoint; /* first */
    struct worker *worker;
    struct list in_worker;
    const struct service_events *events;
    const struct config_service *config; /* the plan's, or own_config */
    struct config_service *own_config;   /* of one that is in no plan; NULL: it is in it */
    struct crew_service app;             /* the callbacks */
    struct crew_protocol framing;        /* what app.protocol points to, if it is set */
    struct crew_service_ref ref;         /* what the app is told of it */
    char *settings;                      /* the config's, as JSON text */
    int listener_fd;                     /* -1: none */
    unsigned index;                      /* in the plan */
    struct networks proxies;             /* config->trusted_proxies */
    struct admission admission;
    struct acceptor acceptor;
    struct udp udp; /* in place of the acceptor, for datagrams */
    struct static_files files;
    struct cookie_store cookies;
    enum service_stage stage;
    /* No other process has the socket: what waits in it is lost when it is closed, and nobody
     * asks the process's page for a share of it. */
    bool owns_socket;
};

static inline struct service *service_of(const struct crew_conn *conn) {
    return (struct service *)(void *)conn->endpoint;
}

/* Without a config, callbacks and listener; NULL without memory. */
struct service *service_new(struct worker *worker, const struct service_events *events);

/* One that was never started, or when the loop has closed its handles. */
void service_free(struct service *service);

/* Into zeroed memory, whose `worker`, `events`, `config`, `app` and `listener_fd` are set: the
 * reference for the app, endpoint, files and cookies. 0; or a negative error, with a line for
 * people that says why. */
int service_start(struct service *service, char *out_why, size_t size);

/* Begin to take connections or datagrams; nothing to do without a listener, and in any stage
 * but SERVICE_STARTED. 0 or a negative error. */
int service_accept(struct service *service);

/* Has it connections that a graceful end waits for? What udp's peers send goes to the next
 * worker at once: no use to wait for them. */
bool service_has_streams(const struct service *service);

/* Take no more, for good; first what waits in a socket that no other worker takes it from.
 * `is_replaced`: by one that may have another socket. Harmless twice. */
void service_stop_accepting(struct service *service, bool is_replaced);

/* Ends what service_start() began, when no connection is left; harmless without. The loop must
 * be run once more to close handles. */
void service_stop(struct service *service);

#endif
