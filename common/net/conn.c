/* SPDX-License-Identifier: MIT
 *
 * See conn.h: the life of one connection, from accept to on_close. The top of the files
 * conn*.c.
 */
#include "conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conn_close.h"
#include "conn_held.h"
#include "conn_in.h"
#include "conn_memory.h"
#include "conn_out.h"
#include "conn_queue.h"
#include "conn_state.h"
#include "outstanding.h"
#include "shed.h"
#include "turned_away.h"

static uint32_t loop_ms(const struct crew_conn *conn) {
    return (uint32_t)conns_now(conns_of(conn));
}

static uint32_t loop_s(const struct crew_conn *conn) {
    return (uint32_t)(conns_now(conns_of(conn)) / 1000);
}

static void say_farewell(struct crew_conn *conn) {
    if (conn->error)
        conn_report(conn, conn->error, crew_strerror(conn->error));
    conns_of(conn)->count--;
    conn->endpoint->handler->close(conn, conn->reason);
}

void conn_bury(struct crew_conn *conn) {
    struct endpoint *endpoint = conn->endpoint;
    conn_flush_last(conn);
    if (conn->is_announced)
        say_farewell(conn);
    if (conn->protocol->done && conn->layer == LAYER_PROTOCOL)
        conn->protocol->done(conn);
    endpoint->handler->drop_data(conn); /* a framing of the app's may have used it just now */
    outstanding_forget(conn);
    sendq_done(&conn->out);
    conn_discard_stash(conn);
    conn_end_held(conn);
    conns_forget(endpoint->conns, conn);
    endpoint->transport->close(conn);
    endpoint->count--;
    turned_away_done(conn);
    endpoint->ops->ended(conn);
    free(conn->client); /* only now: by this address it was counted */
    free(conn);
}

/* What the app has sent already goes behind the response; on_buffer_drain not before on_open.
 */
static void send_held(struct crew_conn *conn, const char *response, size_t len) {
    if (response && sendq_prepend(&conn->out, &conns_of(conn)->budget, response, len) != 0)
        conn_end(conn, CREW_CLOSE_MEMORY, CREW_ENOMEM);
    else
        conn_flush(conn);
}

static void await_authentication(struct crew_conn *conn) {
    struct reaper *reaper = &conn->endpoint->reaper;
    struct guest *guest = conn_guest(conn);
    if (guest)
        guests_add(&reaper->guests, guest, reaper->lists.tick);
}

void conn_opened(struct crew_conn *conn, const char *response, size_t len) {
    bool has_held = conn->state == CONN_OPENING && conn->out.bytes > 0;
    if (has_held)
        send_held(conn, response, len);
    if (conn->state == CONN_ENDED)
        return;
    conn_set_state(conn, CONN_OPEN);
    conn_await(conn, DEADLINE_NONE);
    await_authentication(conn);
    if (has_held)
        conn_update_poll(conn);
    else if (response)
        conn_write_control(conn, response, len);
    if (conn->state == CONN_OPEN)
        conn->endpoint->handler->open(conn);
    conn_tell_drained(conn);
}

/* A fixed window of a second: bounded, six bytes a connection. */
static bool passes_rate(struct crew_conn *conn) {
    uint32_t limit = conn->endpoint->settings.message_rate;
    if (limit == 0)
        return true;
    uint16_t second = (uint16_t)loop_s(conn);
    if (second != conn->rate_second) {
        conn->rate_second = second;
        conn->rate_count = 0;
    }
    return ++conn->rate_count <= limit;
}

static bool is_client_ping(const struct endpoint_settings *settings, const char *data,
                           size_t len) {
    return settings->client_ping[0] != '\0' && strlen(settings->client_ping) == len &&
           memcmp(settings->client_ping, data, len) == 0;
}

static void answer_client_ping(struct crew_conn *conn, enum crew_msg_type type) {
    const char *pong = conn->endpoint->settings.client_pong;
    if (pong[0] != '\0')
        (void)conn->protocol->send(conn, pong, strlen(pong), type);
}

/* An answer to ping_data is whatever message comes next. */
static void note_answer(struct crew_conn *conn) {
    if (conn->is_probed && conn->endpoint->settings.ping_data[0] != '\0') {
        conn->is_probed = false;
        conn->rtt_ms = (int32_t)(loop_ms(conn) - conn->probe_sent_ms);
    }
}

void conn_deliver(struct crew_conn *conn, char *data, size_t len, enum crew_msg_type type) {
    conn_note_complete(conn);
    conn->messages_in++;
    conns_of(conn)->totals.messages_in++;
    conn->last_was_binary = type == CREW_MSG_BINARY;
    note_answer(conn);
    if (!passes_rate(conn)) {
        conn_violate(conn, CREW_ETOOBIG, WS_CODE_POLICY, "message rate exceeded");
        return;
    }
    if (is_client_ping(&conn->endpoint->settings, data, len)) {
        answer_client_ping(conn, type);
        return;
    }
    crew_msg msg = {.data = data, .len = len, .type = type, .size = sizeof(msg)};
    conn->endpoint->handler->message(conn, &msg);
}

/* The transport has handed over: to the app, and then to the protocol. */
static void announce(struct crew_conn *conn) {
    const struct protocol *protocol = conn->protocol;
    conn->layer = LAYER_PROTOCOL;
    conn->is_announced = true;
    conns_of(conn)->count++;
    conns_of(conn)->totals.accepted++;
    if (protocol->start)
        protocol->start(conn);
    if (conn->state != CONN_ENDED) {
        if (protocol->has_handshake)
            conn_await(conn, DEADLINE_HANDSHAKE);
        conn_update_poll(conn);
    }
    if (protocol->connected) {
        protocol->connected(conn);
        conn_count_held(conn);
    }
    conn->endpoint->handler->connect(conn);
    if (!protocol->has_handshake && conn->state == CONN_OPENING)
        conn_opened(conn, NULL, 0);
    if (conn->endpoint->transport->has_more)
        conns_later(conn); /* bytes behind its handshake */
}

/* That of the preface or the transport; one deadline for both. */
static void await_handshake(struct crew_conn *conn) {
    if (conn->awaits != DEADLINE_HANDSHAKE)
        conn_await(conn, DEADLINE_HANDSHAKE);
    conn_update_poll(conn);
}

/* Whom nobody has announced yet ends without a word. */
static void refuse(struct crew_conn *conn, int error) {
    if (error == -EPROTO) {
        conns_of(conn)->totals.protocol_errors++;
        conns_of(conn)->totals.refused++;
    }
    conn_end(conn, error == -EPROTO ? CREW_CLOSE_PROTOCOL : CREW_CLOSE_IO, 0);
}

static void start_transport(struct crew_conn *conn) {
    int result = conn->endpoint->transport->start(conn);
    if (result < 0)
        refuse(conn, result);
    else if (result == 0)
        await_handshake(conn);
    else if (conn->is_turned_away)
        turned_away_tell(conn);
    else
        announce(conn);
}

/* The peer is known: at once, or by what the preface says. */
static void admit(struct crew_conn *conn) {
    int status = 0;
    conn->layer = LAYER_TRANSPORT;
    enum endpoint_verdict verdict = conn->endpoint->ops->admits(conn, &status);
    if (verdict == ENDPOINT_TURN_AWAY)
        turned_away_begin(conn, status);
    if (verdict == ENDPOINT_REFUSE)
        conn_end(conn, CREW_CLOSE_LIMIT, 0);
    else
        start_transport(conn);
}

static void read_preface(struct crew_conn *conn) {
    int result = conn_read_preface(conn);
    if (result < 0)
        refuse(conn, result);
    else if (result > 0)
        admit(conn);
}

static void begin(struct crew_conn *conn) {
    const struct preface *preface = conn->endpoint->preface;
    if (!preface) {
        admit(conn);
    } else if (!preface->is_expected(conn)) {
        refuse(conn, -EPROTO);
    } else {
        await_handshake(conn);
    }
}

static void take_up(struct crew_conn *conn) {
    const struct transport *transport = conn->endpoint->transport;
    bool has_goodbye = conn->state == CONN_CLOSING && conn_may_hold_goodbye(conn);
    if ((conn_is_reading(conn) && conn_has_rest(conn)) || has_goodbye)
        conn_receive(conn, NULL, 0);
    if (transport->has_more && (conn->polled & POLLER_READABLE) && transport->has_more(conn))
        conn_read(conn);
}

void conn_take_up(struct crew_conn *conn) {
    if (conn->layer == LAYER_PROTOCOL)
        take_up(conn);
    conn_step_close(conn);
    shed_check(conns_of(conn));
}

static void move_bytes(struct crew_conn *conn, int events) {
    if (events == POLLER_READABLE) { /* as mostly */
        if (conn->state != CONN_ENDED)
            conn_read(conn);
        return;
    }
    if ((events & POLLER_WRITABLE) && conn->state != CONN_ENDED)
        conn_flush(conn);
    if ((events & POLLER_READABLE) && conn->state != CONN_ENDED)
        conn_read(conn);
    if ((events & POLLER_HANGUP) && (conn->polled & POLLER_HANGUP) && conn->state != CONN_ENDED)
        conn_hang_up(conn);
}

void conn_ready(void *owner, int events) {
    struct crew_conn *conn = owner;
    if (conn->layer == LAYER_PROTOCOL)
        move_bytes(conn, events & conn->polled);
    else if (conn->state == CONN_ENDED)
        return;
    else if (conn->layer == LAYER_PREFACE)
        read_preface(conn);
    else
        start_transport(conn);
    conn_step_close(conn);
    shed_check(conns_of(conn));
}

/* What every connection begins with, one that is only lent too. */
static void set_up(struct crew_conn *conn, struct endpoint *endpoint, int fd,
                   const struct address *peer) {
    conn->endpoint = endpoint;
    conn->fd = fd;
    conn->protocol = endpoint->protocol;
    conn->peer = *peer;
    conn->app_data.data = endpoint->conn_data;
    conn->rtt_ms = -1;
    conn->accepted_s = loop_s(conn);
}

int conn_adopt(struct crew_conn *conn, struct endpoint *endpoint, int fd,
               const struct address *peer) {
    set_up(conn, endpoint, fd, peer);
    sendq_init(&conn->out);
    list_init(&conn->in_all);
    liveness_add(&endpoint->reaper.lists, &conn->liveness);
    int err = conns_remember(endpoint->conns, conn);
    if (err) {
        liveness_remove(&conn->liveness);
        return err;
    }
    endpoint->count++;
    if (conn_guest(conn))
        guest_init(conn_guest(conn), conn);
    conn_begin_held(conn);
    begin(conn);
    return 0;
}

int conn_authenticate(struct crew_conn *conn) {
    struct guest *guest = conn_guest(conn);
    if (conn->state > CONN_OPEN)
        return CREW_ECLOSED;
    if (guest) {
        guest->is_authenticated = true;
        guests_remove(guest);
    }
    if (conn->endpoint->transport->prove)
        conn->endpoint->transport->prove(conn);
    return 0;
}

int conn_open(struct endpoint *endpoint, int fd, const struct address *peer) {
    struct crew_conn *conn = conn_allocate(endpoint);
    if (!conn)
        return -ENOMEM;
    int err = conn_adopt(conn, endpoint, fd, peer);
    if (err)
        free(conn);
    return err;
}

void conn_lend(struct crew_conn *conn, struct endpoint *endpoint, const struct address *peer) {
    set_up(conn, endpoint, -1, peer);
    conn->layer = LAYER_PROTOCOL;
    conn->liveness.received = endpoint->reaper.lists.tick;
    conn_set_state(conn, CONN_ENDED);
}

const char *conn_state_name(const struct crew_conn *conn) {
    static const char *const names[] = {"opening", "open", "closing", "ended"};
    return conn->is_paused && conn->state == CONN_OPEN ? "paused" : names[conn->state];
}
