/* SPDX-License-Identifier: MIT
 *
 * See acceptor.h. Options that Linux hands down from the listener to what it accepts
 * (TCP_NODELAY, keepalive, user timeout) are set once, on the listener.
 */
#include "acceptor.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "services.h"
#include "worker.h"

static void set_option(int fd, int level, int name, int value) {
    (void)setsockopt(fd, level, name, &value, sizeof(value));
}

/* What a unix socket does not know it refuses, which does not matter. */
static void set_options(int fd, const struct config_heartbeat *heartbeat) {
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (heartbeat->tcp_keepalive_ms > 0) {
        int seconds = (int)((heartbeat->tcp_keepalive_ms + 999) / 1000);
        set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
        set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
        set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, seconds);
        set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 2);
    }
    if (heartbeat->tcp_user_timeout_ms > 0)
        set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)heartbeat->tcp_user_timeout_ms);
}

static void tell_state(const struct service *service, enum score_state state) {
    if (!service->owns_socket)
        score_set(service->worker->line->state, (uint32_t)state);
}

static uint32_t connections(const struct service *service) {
    return (uint32_t)service->worker->conns.count;
}

static bool is_full(const struct service *service) {
    return service->endpoint.count >= service->acceptor.limit ||
           room_is_full(&service->worker->room);
}

/* A process of which one service is full takes part in the fair shares of the others. */
static void tell_full(const struct service *service) {
    services_each (other, service->worker)
        if (other != service && !other->owns_socket && other->acceptor.listener.is_watching &&
            !is_full(other))
            return;
    tell_state(service, SCORE_FULL);
}

static void on_watching(void *owner) {
    tell_state(owner, SCORE_ACCEPTING);
}

static void on_starved(void *owner, int error, bool is_news) {
    struct service *service = owner;
    tell_state(service, SCORE_FULL);
    if (is_news)
        log_warning("accept: %s; %u connections are open; pausing", crew_strerror(error),
                    connections(service));
}

static void refuse(struct service *service, int fd) {
    service->worker->conns.totals.refused++;
    close(fd);
}

static void on_turned_away(void *owner, int fd) {
    refuse(owner, fd);
}

static void on_accepted(void *owner, int fd, const struct sockaddr *from, socklen_t len) {
    struct service *service = owner;
    struct address peer;
    fair_accepted(&service->acceptor.fair);
    address_set(&peer, from, len);
    room_take(&service->worker->room);
    int err = conn_open(&service->endpoint, fd, &peer);
    if (err) {
        room_give_back(&service->worker->room);
        log_error("accept: %s", crew_strerror(err));
        refuse(service, fd);
    }
    score_set(service->worker->line->connections, connections(service));
}

/* Who has a socket of its own shares it with nobody. */
static void refresh(struct service *service) {
    struct worker *worker = service->worker;
    if (!service->config->reuse_port)
        fair_refresh(&service->acceptor.fair, &worker->siblings, uv_now(&worker->loop));
}

static bool have_others(void *owner) {
    struct service *service = owner;
    refresh(service);
    return fair_has_others(&service->acceptor.fair);
}

static enum listener_verdict may_accept(void *owner) {
    struct service *service = owner;
    struct fair *fair = &service->acceptor.fair;
    if (is_full(service)) {
        tell_full(service);
        return LISTENER_FULL;
    }
    refresh(service);
    bool holds = fair->count > 0 && fair_should_hold(fair, connections(service));
    return holds ? LISTENER_HOLD : LISTENER_TAKE;
}

static bool is_ahead(void *owner) {
    struct service *service = owner;
    return fair_is_ahead(&service->acceptor.fair, connections(service));
}

static const struct listener_ops ops = {.may_accept = may_accept,
                                        .accepted = on_accepted,
                                        .turned_away = on_turned_away,
                                        .starved = on_starved,
                                        .have_others = have_others,
                                        .watching = on_watching,
                                        .is_ahead = is_ahead};

void acceptor_room(struct service *service) {
    struct listener *listener = &service->acceptor.listener;
    if (is_full(service))
        return;
    if (listener->is_watching) /* it may never have noticed that the process was full */
        tell_state(service, SCORE_ACCEPTING);
    else
        listener_resume(listener);
}

void acceptor_look(struct service *service) {
    listener_look(&service->acceptor.listener);
}

int acceptor_start(struct service *service) {
    struct acceptor *acceptor = &service->acceptor;
    struct worker *worker = service->worker;
    uint32_t limit = service->config->limits.max_connections;
    acceptor->limit = limit > 0 ? limit : SIZE_MAX;
    if (service->listener_fd < 0)
        return 0;
    set_options(service->listener_fd, &service->config->heartbeat);
    int err = listener_open(&acceptor->listener, &worker->loop, &worker->conns.poller,
                            service->listener_fd, &ops, service);
    if (!err)
        room_add_listener(&worker->room);
    return err;
}

void acceptor_take_waiting(struct service *service) {
    listener_empty(&service->acceptor.listener);
}

void acceptor_stop(struct service *service) {
    struct acceptor *acceptor = &service->acceptor;
    if (!acceptor->listener.is_open)
        return;
    tell_state(service, SCORE_DRAINING);
    listener_close(&acceptor->listener);
}
