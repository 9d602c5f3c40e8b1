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
#include <openssl/rand.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "log.h"
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

static void tell_state(struct worker *worker, enum scoreboard_state state) {
    score_set(worker->line->state, (uint32_t)state);
}

static void watch(struct worker *worker) {
    struct acceptor *acceptor = &worker->acceptor;
    tell_state(worker, SCORE_ACCEPTING);
    uv_poll_start(&acceptor->poll, UV_READABLE, on_readable);
}

static void pause_for(struct worker *worker, uint64_t ms) {
    struct acceptor *acceptor = &worker->acceptor;
    uv_poll_stop(&acceptor->poll);
    uv_timer_start(&acceptor->pause, on_pause_over, ms, 0);
}

static void log_starved(struct worker *worker, int error) {
    struct acceptor *acceptor = &worker->acceptor;
    uint64_t now = uv_now(&worker->loop);
    if (acceptor->starved_logged_at != 0 && now - acceptor->starved_logged_at < LOG_EVERY_MS)
        return;
    acceptor->starved_logged_at = now;
    log_warning("accept: %s; %zu connections are open; pausing", crew_strerror(-error),
                worker->conns.count);
}

/* Nobody else took it during the pause, so all are as short as we are: give up the reserve for
 * a moment and turn the connection away, which tells the client at once. */
static void turn_away(struct worker *worker) {
    struct acceptor *acceptor = &worker->acceptor;
    close(acceptor->reserve_fd);
    int fd = accept4(acceptor->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        close(fd);
        worker->conns.totals.refused++;
    }
    acceptor->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void starve(struct worker *worker, int error) {
    struct acceptor *acceptor = &worker->acceptor;
    log_starved(worker, error);
    if (acceptor->is_starved && acceptor->reserve_fd >= 0 &&
        (error == EMFILE || error == ENFILE))
        turn_away(worker);
    acceptor->is_starved = true;
    tell_state(worker, SCORE_FULL);
    pause_for(worker, STARVED_PAUSE_MS);
}

static void adopt(struct worker *worker, int fd, const struct sockaddr_storage *from,
                  socklen_t len) {
    struct address peer;
    address_set(&peer, (const struct sockaddr *)from, len);
    int err = conn_open(worker, fd, &peer);
    if (err) {
        log_error("accept: %s", crew_strerror(err));
        worker->conns.totals.refused++;
        close(fd);
    }
}

/* What a failed accept means: true to go on with the next. */
static bool survives(struct worker *worker, int error) {
    switch (error) {
    case EAGAIN:
        return false;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        starve(worker, error);
        return false;
    case EINVAL: /* it listens no more: the master will tell us so */
        uv_poll_stop(&worker->acceptor.poll);
        return false;
    default: /* the connection was gone before we took it, accept(2) lists many names for that
              */
        return true;
    }
}

static bool accept_one(struct worker *worker) {
    struct acceptor *acceptor = &worker->acceptor;
    struct sockaddr_storage from;
    socklen_t len = sizeof(from);
    int fd =
        accept4(acceptor->fd, (struct sockaddr *)&from, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return survives(worker, errno);
    acceptor->is_starved = false;
    fair_accepted(&acceptor->fair);
    adopt(worker, fd, &from, len);
    score_set(worker->line->connections, (uint32_t)worker->conns.count);
    return true;
}

static bool is_held(struct worker *worker) {
    struct acceptor *acceptor = &worker->acceptor;
    if (acceptor->fair.count == 0 ||
        !fair_should_hold(&acceptor->fair, (uint32_t)worker->conns.count))
        return false;
    pause_for(worker, HOLD_MS);
    return true;
}

static bool is_at_limit(struct worker *worker) {
    struct acceptor *acceptor = &worker->acceptor;
    if (worker->conns.ids.count < acceptor->limit)
        return false;
    acceptor->is_full = true;
    tell_state(worker, SCORE_FULL);
    uv_poll_stop(&acceptor->poll);
    return true;
}

static void accept_batch(struct worker *worker) {
    struct acceptor *acceptor = &worker->acceptor;
    if (!worker->plan.service.reuse_port)
        fair_refresh(&acceptor->fair, worker->board, worker->line, uv_now(&worker->loop));
    for (int i = 0; i < BATCH_MAX && acceptor->is_running; i++)
        if (is_at_limit(worker) || is_held(worker) || !accept_one(worker))
            return;
}

static void on_readable(uv_poll_t *handle, int status, int events) {
    struct worker *worker = handle->data;
    (void)events;
    if (status < 0)
        pause_for(worker, STARVED_PAUSE_MS);
    else
        accept_batch(worker);
}

static void on_pause_over(uv_timer_t *timer) {
    struct worker *worker = timer->data;
    if (!worker->acceptor.is_running || worker->acceptor.is_full)
        return;
    watch(worker);
}

void acceptor_room(struct worker *worker) {
    struct acceptor *acceptor = &worker->acceptor;
    score_set(worker->line->connections, (uint32_t)worker->conns.count);
    if (!acceptor->is_running || !acceptor->is_full ||
        worker->conns.ids.count >= acceptor->limit)
        return;
    acceptor->is_full = false;
    watch(worker);
}

bool acceptor_admits(struct crew_conn *conn) {
    struct worker *worker = conn->worker;
    uint32_t limit = worker->plan.service.limits.max_connections_per_address;
    if (limit == 0 || !worker->acceptor.is_running) /* draining: the counts are gone */
        return true;
    conn->is_admitted = peers_enter(&worker->acceptor.peers, &conn->peer, limit);
    if (!conn->is_admitted)
        worker->conns.totals.refused++;
    return conn->is_admitted;
}

void acceptor_forget_peer(struct crew_conn *conn) {
    if (conn->is_admitted)
        peers_leave(&conn->worker->acceptor.peers, &conn->peer);
}

int acceptor_start(struct worker *worker) {
    struct acceptor *acceptor = &worker->acceptor;
    uint64_t seed = 0;
    if (listen_is_datagram(worker->plan.service.listen.protocol))
        return udp_start(worker);
    acceptor->fd = worker->plan.listener_fd;
    acceptor->limit = limit_of(&worker->plan.service.limits);
    if (acceptor->fd < 0)
        return 0;
    if (RAND_bytes((unsigned char *)&seed, sizeof(seed)) != 1)
        return -EIO;
    int err = uv_poll_init(&worker->loop, &acceptor->poll, acceptor->fd);
    if (err)
        return err;
    peers_init(&acceptor->peers, seed);
    acceptor->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    set_options(acceptor->fd, &worker->plan.service.heartbeat);
    uv_timer_init(&worker->loop, &acceptor->pause);
    acceptor->poll.data = acceptor->pause.data = worker;
    acceptor->is_running = true;
    watch(worker);
    return 0;
}

void acceptor_stop(struct worker *worker) {
    struct acceptor *acceptor = &worker->acceptor;
    udp_stop(worker);
    if (!acceptor->is_running)
        return;
    acceptor->is_running = false;
    tell_state(worker, SCORE_DRAINING);
    uv_timer_stop(&acceptor->pause);
    uv_close((uv_handle_t *)&acceptor->pause, NULL);
    uv_close((uv_handle_t *)&acceptor->poll, NULL);
    close(acceptor->fd);
    if (acceptor->reserve_fd >= 0)
        close(acceptor->reserve_fd);
    peers_done(&acceptor->peers);
}
