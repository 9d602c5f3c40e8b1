/* SPDX-License-Identifier: MIT
 *
 * See acceptor.h. Options that Linux hands down from the listener to what it accepts
 * (TCP_NODELAY, keepalive, user timeout) are set once, on the listener.
 */
#include "acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "service.h"
#include "worker.h"

#define BATCH_MAX        64
#define HOLD_MS          1
#define STARVED_PAUSE_MS 100
#define LOG_EVERY_MS     10000u
/* Descriptors that a worker needs beside its connections: pipes, log, app's own files. */
#define DESCRIPTORS_KEPT 64u

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

static size_t limit_of(const struct config_limits *limits) {
    struct rlimit files = {.rlim_cur = 1024};
    (void)getrlimit(RLIMIT_NOFILE, &files);
    size_t kept = files.rlim_cur / 4 < DESCRIPTORS_KEPT ? files.rlim_cur / 4 : DESCRIPTORS_KEPT;
    size_t room = files.rlim_cur - kept;
    if (limits->max_connections > 0 && limits->max_connections < room)
        return limits->max_connections;
    return room;
}

static void on_readable(uv_poll_t *handle, int status, int events);
static void on_pause_over(uv_timer_t *timer);

static void tell_state(struct service *service, enum score_state state) {
    score_set(service->worker->line->state, (uint32_t)state);
}

static void watch(struct service *service) {
    struct acceptor *acceptor = &service->acceptor;
    tell_state(service, SCORE_ACCEPTING);
    uv_poll_start(&acceptor->poll, UV_READABLE, on_readable);
}

static void pause_for(struct service *service, uint64_t ms) {
    struct acceptor *acceptor = &service->acceptor;
    uv_poll_stop(&acceptor->poll);
    uv_timer_start(&acceptor->pause, on_pause_over, ms, 0);
}

static void log_starved(struct service *service, int error) {
    struct acceptor *acceptor = &service->acceptor;
    uint64_t now = uv_now(&service->worker->loop);
    if (acceptor->starved_logged_at != 0 && now - acceptor->starved_logged_at < LOG_EVERY_MS)
        return;
    acceptor->starved_logged_at = now;
    log_warning("accept: %s; %zu connections are open; pausing", crew_strerror(-error),
                service->worker->conns.count);
}

/* Nobody else took it during the pause, so all are as short as we are: give up the reserve for
 * a moment and turn the connection away, which tells the client at once. */
static void turn_away(struct service *service) {
    struct acceptor *acceptor = &service->acceptor;
    close(acceptor->reserve_fd);
    int fd = accept4(acceptor->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        close(fd);
        service->worker->conns.totals.refused++;
    }
    acceptor->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void starve(struct service *service, int error) {
    struct acceptor *acceptor = &service->acceptor;
    log_starved(service, error);
    if (acceptor->is_starved && acceptor->reserve_fd >= 0 &&
        (error == EMFILE || error == ENFILE))
        turn_away(service);
    acceptor->is_starved = true;
    tell_state(service, SCORE_FULL);
    pause_for(service, STARVED_PAUSE_MS);
}

static void adopt(struct service *service, int fd, const struct sockaddr_storage *from,
                  socklen_t len) {
    struct address peer;
    address_set(&peer, (const struct sockaddr *)from, len);
    int err = conn_open(&service->endpoint, fd, &peer);
    if (err) {
        log_error("accept: %s", crew_strerror(err));
        service->worker->conns.totals.refused++;
        close(fd);
    }
}

/* What a failed accept means: true to go on with the next. */
static bool survives(struct service *service, int error) {
    switch (error) {
    case EAGAIN:
        return false;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        starve(service, error);
        return false;
    case EINVAL: /* it listens no more: the master will tell us so */
        uv_poll_stop(&service->acceptor.poll);
        return false;
    default: /* the connection was gone before we took it, accept(2) lists many names for that
              */
        return true;
    }
}

static bool accept_one(struct service *service) {
    struct acceptor *acceptor = &service->acceptor;
    struct sockaddr_storage from;
    socklen_t len = sizeof(from);
    int fd =
        accept4(acceptor->fd, (struct sockaddr *)&from, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return survives(service, errno);
    acceptor->is_starved = false;
    fair_accepted(&acceptor->fair);
    adopt(service, fd, &from, len);
    score_set(service->worker->line->connections, (uint32_t)service->worker->conns.count);
    return true;
}

static bool is_held(struct service *service) {
    struct acceptor *acceptor = &service->acceptor;
    if (acceptor->fair.count == 0 ||
        !fair_should_hold(&acceptor->fair, (uint32_t)service->worker->conns.count))
        return false;
    pause_for(service, HOLD_MS);
    return true;
}

static bool is_at_limit(struct service *service) {
    struct acceptor *acceptor = &service->acceptor;
    if (service->endpoint.count < acceptor->limit)
        return false;
    acceptor->is_full = true;
    tell_state(service, SCORE_FULL);
    uv_poll_stop(&acceptor->poll);
    return true;
}

static void accept_batch(struct service *service) {
    struct acceptor *acceptor = &service->acceptor;
    if (!service->config->reuse_port)
        fair_refresh(&acceptor->fair, &service->worker->siblings,
                     uv_now(&service->worker->loop));
    for (int i = 0; i < BATCH_MAX && acceptor->is_running; i++)
        if (is_at_limit(service) || is_held(service) || !accept_one(service))
            return;
}

static void on_readable(uv_poll_t *handle, int status, int events) {
    struct service *service = handle->data;
    (void)events;
    if (status < 0)
        pause_for(service, STARVED_PAUSE_MS);
    else
        accept_batch(service);
}

static void on_pause_over(uv_timer_t *timer) {
    struct service *service = timer->data;
    if (!service->acceptor.is_running || service->acceptor.is_full)
        return;
    watch(service);
}

void acceptor_room(struct service *service) {
    struct acceptor *acceptor = &service->acceptor;
    score_set(service->worker->line->connections, (uint32_t)service->worker->conns.count);
    if (!acceptor->is_running || !acceptor->is_full ||
        service->endpoint.count >= acceptor->limit)
        return;
    acceptor->is_full = false;
    watch(service);
}

int acceptor_start(struct service *service) {
    struct acceptor *acceptor = &service->acceptor;
    acceptor->fd = service->listener_fd;
    acceptor->limit = limit_of(&service->config->limits);
    if (acceptor->fd < 0)
        return 0;
    int err = uv_poll_init(&service->worker->loop, &acceptor->poll, acceptor->fd);
    if (err)
        return err;
    acceptor->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    set_options(acceptor->fd, &service->config->heartbeat);
    uv_timer_init(&service->worker->loop, &acceptor->pause);
    acceptor->poll.data = acceptor->pause.data = service;
    acceptor->is_running = true;
    watch(service);
    return 0;
}

void acceptor_stop(struct service *service) {
    struct acceptor *acceptor = &service->acceptor;
    if (!acceptor->is_running)
        return;
    acceptor->is_running = false;
    tell_state(service, SCORE_DRAINING);
    uv_timer_stop(&acceptor->pause);
    uv_close((uv_handle_t *)&acceptor->pause, NULL);
    uv_close((uv_handle_t *)&acceptor->poll, NULL);
    close(acceptor->fd);
    if (acceptor->reserve_fd >= 0)
        close(acceptor->reserve_fd);
}
