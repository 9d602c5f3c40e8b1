/* SPDX-License-Identifier: MIT
 *
 * The life of one connection, from accept to on_close. See conn.h for the states, conn_in.c for
 * what comes and conn_out.c for what goes.
 */
#include "conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxies.h"
#include "worker.h"

typedef void (*conn_callback)(crew_conn *conn);

static void call(struct crew_conn *conn, enum score_callback which, conn_callback callback) {
    if (!callback)
        return;
    struct guard_entry entry = guard_enter(conn->worker, which);
    callback(conn);
    guard_leave(conn->worker, entry);
}

static uint32_t loop_ms(const struct crew_conn *conn) {
    return (uint32_t)uv_now(&conn->worker->loop);
}

void conn_update_poll(struct crew_conn *conn) {
    int wanted = 0;
    if (conn->session->is_datagram)
        return;
    bool is_held = conn->is_paused || conn->is_backlogged;
    if (!conn->has_eof && (!is_held || conn->state >= CONN_CLOSING))
        wanted |= POLLER_READABLE;
    if (conn->out.bytes > 0 && conn->state != CONN_OPENING)
        wanted |= POLLER_WRITABLE;
    int err = poller_watch(&conn->worker->conns.poller, conn->fd, conn, conn->polled, wanted);
    if (err)
        conn_end(conn, CREW_CLOSE_MEMORY, err);
    else
        conn->polled = (uint8_t)wanted;
}

/* In CLOSING, whenever the queue may have become empty or the peer may have ended. */
static void step_close(struct crew_conn *conn) {
    struct conns *conns = &conn->worker->conns;
    if (conn->state != CONN_CLOSING || conn->out.bytes > 0 ||
        (conns->corked == conn && conns->cork_len > 0))
        return;
    if (conn->session->is_datagram) {
        conn_end(conn, conn->reason, 0);
        return;
    }
    bool is_awaiting = conn->session->awaits_goodbye && !conn->has_goodbye && !conn->is_garbled;
    if (is_awaiting && !conn->has_eof)
        return;
    int unread = 0;
    ioctl(conn->fd, FIONREAD, &unread);
    if (conn->has_eof || (conn->has_goodbye && unread == 0)) {
        conn_end(conn, conn->reason, 0);
        return;
    }
    /* Closing now would answer what the peer still sends with a reset, which can destroy our
     * last bytes on their way: say that we are done and wait for its end (RFC 9112 section 9.6
     * says the same for HTTP). */
    if (!conn->is_shut) {
        conn->is_shut = true;
        shutdown(conn->fd, SHUT_WR);
    }
}

/* The peer's close frame may be in what was held back, by the session or by a pause. */
static bool may_hold_goodbye(const struct crew_conn *conn) {
    return conn->stash && (conn->holds_back || conn->session->awaits_goodbye);
}

void conn_finish(struct crew_conn *conn, int reason) {
    if (conn->state >= CONN_CLOSING)
        return;
    conn->state = CONN_CLOSING;
    conn->reason = (uint8_t)reason;
    if (conn->stash && !may_hold_goodbye(conn) && conn->worker->conns.feeding != conn)
        conn_discard_stash(conn);
    liveness_suspend(&conn->liveness);
    if (conn->out.bytes > 0)
        (void)conn_is_taking(conn);
    conn_restart_deadline(conn);
    conn_update_poll(conn);
    conns_due(conn); /* the last bytes may be in the cork; decide when the event is over */
}

void conn_close(struct crew_conn *conn, int reason, int code, const char *text) {
    if (conn->state >= CONN_CLOSING)
        return;
    if (conn->session->goodbye)
        conn->session->goodbye(conn, code, text);
    conn_finish(conn, reason);
}

void conn_report(struct crew_conn *conn, int error, const char *text) {
    struct worker *worker = conn->worker;
    if (error == CREW_EPROTO)
        worker->conns.totals.protocol_errors++;
    else if (error == CREW_ETOOBIG)
        worker->conns.totals.limit_errors++;
    else if (error == CREW_ETIMEOUT)
        worker->conns.totals.timeouts++;
    if (!worker->app->on_error || !conn->is_announced)
        return;
    struct guard_entry entry = guard_enter(worker, SCORE_IN_ERROR);
    worker->app->on_error(conn, error, text);
    guard_leave(worker, entry);
}

static int reason_of(int error) {
    switch (error) {
    case CREW_ETOOBIG:
        return CREW_CLOSE_LIMIT;
    case CREW_ETIMEOUT:
        return CREW_CLOSE_TIMEOUT;
    case CREW_ENOMEM:
        return CREW_CLOSE_MEMORY;
    default:
        return CREW_CLOSE_PROTOCOL;
    }
}

void conn_violate(struct crew_conn *conn, int error, int code, const char *text) {
    if (conn->state >= CONN_CLOSING)
        return;
    conn_report(conn, error, text);
    conn_close(conn, reason_of(error), code, text);
}

void conn_end(struct crew_conn *conn, int reason, int error) {
    if (conn->state == CONN_ENDED)
        return;
    if (conn->state != CONN_CLOSING)
        conn->reason = (uint8_t)reason;
    conn->state = CONN_ENDED;
    conn->error = error;
    liveness_remove(&conn->liveness);
    conns_due(conn);
}

static void say_farewell(struct crew_conn *conn) {
    struct worker *worker = conn->worker;
    if (conn->error)
        conn_report(conn, conn->error, crew_strerror(conn->error));
    worker->conns.count--;
    if (worker->app->on_close) {
        struct guard_entry entry = guard_enter(worker, SCORE_IN_CLOSE);
        worker->app->on_close(conn, conn->reason);
        guard_leave(worker, entry);
    }
}

static void release(struct crew_conn *conn) {
    if (conn->session->is_datagram) {
        udp_release(conn);
        return;
    }
    /* First: a child process of the app may hold the socket open, and it would go on reporting.
     */
    poller_watch(&conn->worker->conns.poller, conn->fd, conn, conn->polled, 0);
    close(conn->fd);
    free(conn);
}

void conn_bury(struct crew_conn *conn) {
    struct worker *worker = conn->worker;
    if (conn->is_announced)
        say_farewell(conn);
    if (conn->session->done)
        conn->session->done(conn);
    crew_conn_set_data(conn, NULL, NULL); /* a framing of the app's may have used it just now */
    sendq_done(&conn->out);
    free(conn->client);
    conn_discard_stash(conn);
    acceptor_forget_peer(conn);
    conns_forget(conn);
    release(conn);
    acceptor_room(worker);
    lifecycle_conn_ended(worker);
}

/* What the app has sent already goes behind the response; on_buffer_drain not before on_open.
 */
static void send_held(struct crew_conn *conn, const char *response, size_t len) {
    if (response && sendq_prepend(&conn->out, response, len) != 0)
        conn_end(conn, CREW_CLOSE_MEMORY, CREW_ENOMEM);
    else
        conn_flush(conn);
}

void conn_opened(struct crew_conn *conn, const char *response, size_t len) {
    bool has_held = conn->state == CONN_OPENING && conn->out.bytes > 0;
    if (has_held)
        send_held(conn, response, len);
    if (conn->state == CONN_ENDED)
        return;
    conn->state = CONN_OPEN;
    conn_await(conn, DEADLINE_NONE);
    if (has_held)
        conn_update_poll(conn);
    else if (response)
        conn_write_control(conn, response, len);
    if (conn->state == CONN_OPEN)
        call(conn, SCORE_IN_OPEN, conn->worker->app->on_open);
    conn_tell_drained(conn);
}

/* A fixed window of a second: bounded, two words a connection. */
static bool passes_rate(struct crew_conn *conn) {
    uint32_t limit = conn->worker->plan.service.limits.message_rate;
    if (limit == 0)
        return true;
    uint32_t second = (uint32_t)(uv_now(&conn->worker->loop) / 1000);
    if (second != conn->rate_second) {
        conn->rate_second = second;
        conn->rate_count = 0;
    }
    return ++conn->rate_count <= limit;
}

static bool is_client_ping(const struct config_heartbeat *heartbeat, const char *data,
                           size_t len) {
    return heartbeat->client_ping[0] != '\0' && strlen(heartbeat->client_ping) == len &&
           memcmp(heartbeat->client_ping, data, len) == 0;
}

static void answer_client_ping(struct crew_conn *conn, enum crew_msg_type type) {
    const char *pong = conn->worker->plan.service.heartbeat.client_pong;
    if (pong[0] != '\0')
        (void)conn->session->send(conn, pong, strlen(pong), type);
}

/* An answer to ping_data is whatever message comes next. */
static void note_answer(struct crew_conn *conn) {
    if (conn->is_probed && conn->worker->plan.service.heartbeat.ping_data[0] != '\0') {
        conn->is_probed = false;
        conn->rtt_ms = (int32_t)(loop_ms(conn) - conn->probe_sent_ms);
    }
}

void conn_deliver(struct crew_conn *conn, char *data, size_t len, enum crew_msg_type type) {
    struct worker *worker = conn->worker;
    conn->messages_in++;
    worker->conns.totals.messages_in++;
    conn->last_was_binary = type == CREW_MSG_BINARY;
    note_answer(conn);
    if (!passes_rate(conn)) {
        conn_violate(conn, CREW_ETOOBIG, 1008, "message rate exceeded");
        return;
    }
    if (is_client_ping(&worker->plan.service.heartbeat, data, len)) {
        answer_client_ping(conn, type);
        return;
    }
    if (!worker->app->on_message)
        return;
    crew_msg msg = {.data = data, .len = len, .type = type};
    struct guard_entry entry = guard_enter(worker, SCORE_IN_MESSAGE);
    worker->app->on_message(conn, &msg);
    guard_leave(worker, entry);
}

void conn_take_up(struct crew_conn *conn) {
    bool has_rest = conn->stash || conn->session->keeps_rest;
    bool has_goodbye = conn->state == CONN_CLOSING && may_hold_goodbye(conn);
    if ((has_rest && conn_is_reading(conn)) || has_goodbye)
        conn_receive(conn, NULL, 0);
    step_close(conn);
}

void conn_ready(void *owner, int events) {
    struct crew_conn *conn = owner;
    events &= conn->polled;
    if ((events & POLLER_WRITABLE) && conn->state != CONN_ENDED)
        conn_flush(conn);
    if ((events & POLLER_READABLE) && conn->state != CONN_ENDED)
        conn_read(conn);
    step_close(conn);
}

static void set_up(struct crew_conn *conn, struct worker *worker, int fd,
                   const struct address *peer) {
    conn->worker = worker;
    conn->fd = fd;
    conn->session = session_for(worker->plan.service.listen.protocol, worker->app->protocol);
    conn->peer = *peer;
    conn->rtt_ms = -1;
    conn->accepted_s = (uint32_t)(uv_now(&worker->loop) / 1000);
    sendq_init(&conn->out);
    list_init(&conn->in_all);
    liveness_add(&worker->reaper.lists, &conn->liveness);
}

static void begin_session(struct crew_conn *conn, const struct session *session) {
    conn->session = session;
    if (session->start)
        session->start(conn);
    if (conn->state == CONN_ENDED)
        return;
    if (session->has_handshake)
        conn_await(conn, DEADLINE_HANDSHAKE);
    conn_update_poll(conn);
}

static void announce(struct crew_conn *conn) {
    struct worker *worker = conn->worker;
    conn->is_announced = true;
    worker->conns.count++;
    worker->conns.totals.accepted++;
    begin_session(conn,
                  session_for(worker->plan.service.listen.protocol, worker->app->protocol));
    if (conn->session->connected)
        conn->session->connected(conn);
    call(conn, SCORE_IN_CONNECT, worker->app->on_connect);
    if (!conn->session->has_handshake && conn->state == CONN_OPENING)
        conn_opened(conn, NULL, 0);
}

void conn_admit(struct crew_conn *conn) {
    if (acceptor_admits(conn))
        announce(conn);
    else
        conn_end(conn, CREW_CLOSE_LIMIT, 0);
}

int conn_open(struct worker *worker, int fd, const struct address *peer) {
    struct crew_conn *conn = calloc(1, sizeof(*conn));
    if (!conn)
        return -ENOMEM;
    set_up(conn, worker, fd, peer);
    int err = conns_remember(conn);
    if (err) {
        liveness_remove(&conn->liveness);
        free(conn);
        return err;
    }
    if (worker->plan.service.proxy_protocol)
        begin_session(conn, &session_proxy);
    else
        conn_admit(conn);
    return 0;
}

int conn_open_datagram(struct worker *worker, struct crew_conn *conn,
                       const struct address *peer) {
    set_up(conn, worker, -1, peer);
    int err = conns_remember(conn);
    if (err)
        liveness_remove(&conn->liveness);
    else
        announce(conn);
    return err;
}

void conn_lend(struct worker *worker, struct crew_conn *conn) {
    conn->worker = worker;
    conn->fd = -1;
    conn->session = session_for(worker->plan.service.listen.protocol, worker->app->protocol);
    conn->state = CONN_ENDED;
    conn->rtt_ms = -1;
    conn->accepted_s = (uint32_t)(uv_now(&worker->loop) / 1000);
    conn->liveness.received = worker->reaper.lists.tick;
}

const char *conn_state_name(const struct crew_conn *conn) {
    static const char *const names[] = {"opening", "open", "closing", "ended"};
    return conn->is_paused && conn->state == CONN_OPEN ? "paused" : names[conn->state];
}

const char *conn_protocol_name(const struct crew_conn *conn) {
    const struct crew_protocol *protocol = conn->worker->app->protocol;
    return protocol ? protocol->name : conn->session->name;
}
