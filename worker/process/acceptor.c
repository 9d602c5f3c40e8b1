/* SPDX-License-Identifier: MIT
 *
 * See acceptor.h. Options that Linux hands down from the listener to what it accepts
 * (TCP_NODELAY, keepalive, user timeout) are set once, on the listener.
 */
#include "acceptor.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "places.h"
#include "service.h"
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

static uint32_t connections(const struct service *service) {
    return (uint32_t)service->worker->conns.count;
}

static void tell(const struct service *service) {
    if (places_are_there(service, 1))
        places_tell_room(service);
    else
        places_tell_full(service);
}

static void on_watching(void *owner) {
    tell(owner);
}

static void on_starved(void *owner, int error, bool is_news) {
    struct service *service = owner;
    places_tell_full(service);
    if (!service->owns_socket) /* nor has any other service a descriptor */
        score_set(service->worker->line->state, SCORE_FULL);
    if (is_news)
        log_warning("accept: %s; %u connections are open; pausing", crew_strerror(error),
                    connections(service));
}

static void on_refused(void *owner, int fd) {
    places_note_turned_away(owner);
    close(fd);
}

static void fail(struct service *service, int fd, int err) {
    struct conns *conns = &service->worker->conns;
    uint64_t count = news_add(&service->acceptor.failed, conns_now(conns));
    conns->totals.refused++;
    close(fd);
    if (count > 0)
        log_error("accept: %s; connections closed: %" PRIu64, crew_strerror(err), count);
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
        fail(service, fd, err);
    }
    if (!places_are_there(service, 1))
        places_tell_full(service);
    score_set(service->worker->line->connections, connections(service));
}

/* Behind a preface it would keep the descriptor until that is there. */
static void on_turned_away(void *owner, int fd, const struct sockaddr *from, socklen_t len) {
    struct service *service = owner;
    if (service->endpoint.preface || !places_may_turn_away(service, 1)) {
        on_refused(owner, fd);
        return;
    }
    service->acceptor.is_starved = true;
    on_accepted(owner, fd, from, len);
    service->acceptor.is_starved = false;
}

/* Who has a socket of its own shares it with nobody. */
static void refresh(struct service *service) {
    struct worker *worker = service->worker;
    if (!service->config->reuse_port)
        fair_refresh(&service->acceptor.fair, &worker->siblings, uv_now(&worker->loop));
}

static bool have_others(void *owner) {
    return places_are_elsewhere(owner);
}

/* Whom nobody seems to have a place for is left to the others once: there may be one whose page
 * is not known. */
static enum listener_verdict when_full(struct service *service) {
    struct acceptor *acceptor = &service->acceptor;
    bool was_turning = acceptor->is_turning || !places_are_shared(service);
    places_tell_full(service);
    acceptor->is_turning = !places_are_elsewhere(service);
    if (!acceptor->is_turning)
        places_note_elsewhere(service);
    if (!acceptor->is_turning || !was_turning)
        return LISTENER_FULL;
    return places_may_turn_away(service, 1) ? LISTENER_TAKE : LISTENER_REFUSE;
}

static enum listener_verdict may_accept(void *owner) {
    struct service *service = owner;
    struct fair *fair = &service->acceptor.fair;
    if (!places_are_there(service, 1))
        return when_full(service);
    service->acceptor.is_turning = false;
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
                                        .refused = on_refused,
                                        .turned_away = on_turned_away,
                                        .starved = on_starved,
                                        .have_others = have_others,
                                        .watching = on_watching,
                                        .is_ahead = is_ahead};

void acceptor_room(struct service *service) {
    struct listener *listener = &service->acceptor.listener;
    if (!places_are_there(service, 1))
        return;
    if (listener->is_watching) /* it may never have noticed that the process was full */
        places_tell_room(service);
    else
        listener_resume(listener);
}

void acceptor_look(struct service *service) {
    listener_look(&service->acceptor.listener);
}

static bool accepts(int fd) {
    int value = 0;
    socklen_t len = sizeof(value);
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &len) == 0 && value != 0;
}

int acceptor_start(struct service *service) {
    struct acceptor *acceptor = &service->acceptor;
    struct worker *worker = service->worker;
    uint32_t limit = service->config->limits.max_connections;
    acceptor->limit = limit > 0 ? limit : SIZE_MAX;
    if (service->listener_fd < 0)
        return 0;
    set_options(service->listener_fd, &service->config->heartbeat);
    /* One whose address overlaps another's listens from now on: not before somebody serves. */
    if (!accepts(service->listener_fd) &&
        listen(service->listener_fd, (int)service->config->backlog) != 0)
        return -errno;
    int err = listener_open(&acceptor->listener, &worker->loop, &worker->conns.poller,
                            service->listener_fd, &ops, service);
    if (err)
        return err;
    room_add_listener(&worker->room);
    tell(service);
    return 0;
}

void acceptor_take_waiting(struct service *service) {
    listener_empty(&service->acceptor.listener);
}

void acceptor_hand_over(struct service *service) {
    if (!service->acceptor.listener.is_open)
        return;
    acceptor_take_waiting(service);
    (void)shutdown(service->listener_fd, SHUT_RDWR);
}

void acceptor_stop(struct service *service) {
    struct acceptor *acceptor = &service->acceptor;
    if (!acceptor->listener.is_open)
        return;
    if (!service->owns_socket)
        score_set(service->worker->line->state, SCORE_DRAINING);
    listener_close(&acceptor->listener);
}
