/* SPDX-License-Identifier: MIT
 *
 * See stage.h.
 */
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conn.h"
#include "conn_held.h"
#include "conn_memory.h"
#include "fake_clock.h"
#include "request.h"
#include "say.h"

#define TURNS_MAX   100000
#define SHOWN_MAX   40u
#define EVENTS_ROOM 65536u

static struct stage *stage_of(const struct crew_conn *conn) {
    return (struct stage *)(void *)((char *)service_of(conn)->worker -
                                    offsetof(struct stage, worker));
}

const struct peer *stage_peer_of(const struct crew_conn *conn) {
    const struct stage *stage = stage_of(conn);
    for (size_t i = 0; i < stage->peer_count; i++)
        if (stage->peers[i]->conn == conn)
            return stage->peers[i];
    return NULL;
}

/* A connection has its name from when it is adopted; on_close comes before its transport is
 * closed. */
static void note(struct crew_conn *conn, const char *event, const char *text, size_t len) {
    struct stage *stage = stage_of(conn);
    const struct peer *peer = stage_peer_of(conn);
    bytes_print(&stage->events, "%s%s %s%s", stage->events.len > 0 ? "; " : "",
                peer ? peer->name : "?", event, text ? " " : "");
    if (text && len > SHOWN_MAX)
        bytes_print(&stage->events, "#%zu", len);
    else if (text)
        bytes_add(&stage->events, text, len);
}

static void react(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    struct stage *stage = stage_of(conn);
    if (stage->react)
        stage->react(conn, event, msg);
}

static void on_event(struct crew_conn *conn, const char *event) {
    note(conn, event, NULL, 0);
    react(conn, event, NULL);
}

static void on_connect(struct crew_conn *conn) {
    on_event(conn, "connect");
}

static void on_open(struct crew_conn *conn) {
    on_event(conn, "open");
}

static void on_buffer_full(struct crew_conn *conn) {
    on_event(conn, "buffer_full");
}

static void on_buffer_drain(struct crew_conn *conn) {
    on_event(conn, "buffer_drain");
}

static void on_payload(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    if (!stage_of(conn)->is_deaf)
        note(conn, event, msg->data, msg->len);
    react(conn, event, msg);
}

static void on_message(struct crew_conn *conn, const crew_msg *msg) {
    on_payload(conn, "message", msg);
}

static void on_ping(struct crew_conn *conn, const crew_msg *msg) {
    on_payload(conn, "ping", msg);
}

static void on_pong(struct crew_conn *conn, const crew_msg *msg) {
    note(conn, "pong", NULL, 0); /* its payload is a time */
    react(conn, "pong", msg);
}

static void on_error(struct crew_conn *conn, int error, const char *text) {
    (void)error;
    note(conn, "error", text, strlen(text));
    react(conn, "error", NULL);
}

static void on_close(struct crew_conn *conn, int reason) {
    const char *name = crew_close_reason_name(reason);
    note(conn, "close", name, strlen(name));
    react(conn, "close", NULL);
}

static void drop_data(struct crew_conn *conn) {
    conn->app_data.data = NULL;
}

static bool begin_row(struct endpoint *endpoint) {
    (void)endpoint;
    return true;
}

static void end_row(struct endpoint *endpoint) {
    (void)endpoint;
}

static const struct handler handler = {
    .connect = on_connect,
    .open = on_open,
    .message = on_message,
    .ping = on_ping,
    .pong = on_pong,
    .buffer_full = on_buffer_full,
    .buffer_drain = on_buffer_drain,
    .error = on_error,
    .close = on_close,
    .drop_data = drop_data,
    .begin_row = begin_row,
    .end_row = end_row,
};

static void on_request(struct crew_conn *conn, struct crew_request *request) {
    const char *target = crew_request_target(request);
    note(conn, "request", target, strlen(target));
    react(conn, "request", NULL);
}

static enum endpoint_verdict admits(struct crew_conn *conn, int *out_status) {
    const struct stage *stage = stage_of(conn);
    *out_status = stage->status;
    return stage->verdict;
}

static void ended(struct crew_conn *conn) {
    (void)conn;
}

static const struct endpoint_ops ops = {.admits = admits, .ended = ended};

static void conn_ended(struct worker *worker) {
    (void)worker;
}

static const struct service_events service_events = {.conn_ended = conn_ended};

static void on_turned(void *owner) {
    struct worker *worker = owner;
    guard_turned(&worker->guard);
}

static void set_config(struct config_service *config, enum listen_protocol protocol) {
    static char nothing[1], cookie[] = "sid";
    *config = (struct config_service){
        .name = "stage",
        .listen.protocol = protocol,
        .heartbeat = {.ping_data = nothing, .client_ping = nothing, .client_pong = nothing},
        .limits = {.header_size = 16384,
                   .headers = 100,
                   .max_message = 1024 * 1024,
                   .max_send_buffer = 1024 * 1024,
                   .max_body = 1024 * 1024},
        .files = {.root = nothing, .index = nothing, .cache_control = nothing},
        .session = {.dir = nothing, .cookie = cookie},
        .websocket = {.deflate_level = 1},
    };
}

struct stage *stage_new(enum listen_protocol protocol) {
    struct stage *stage = calloc(1, sizeof(*stage));
    assert_non_null(stage);
    struct worker *worker = &stage->worker;
    worker_claim(worker);
    worker->line = worker->guard.line = &worker->own_line;
    protocol_http_shared_init(&worker->http);
    set_config(&stage->config, protocol);
    stage->service =
        (struct service){.worker = worker, .config = &stage->config, .listener_fd = -1};
    stage->service.events = &service_events;
    stage->service.acceptor.limit = worker->room.limit = STAGE_PEERS_MAX;
    if (protocol == LISTEN_HTTP)
        stage->service.app.on_request = on_request;
    /* Before a test makes memory short. */
    stage->events.data = malloc(EVENTS_ROOM);
    stage->events.capacity = EVENTS_ROOM;
    assert_non_null(stage->events.data);
    stage->events.data[0] = '\0';
    return stage;
}

void stage_start(struct stage *stage, const struct transport *transport) {
    struct worker *worker = &stage->worker;
    char why[256];
    assert_int_equal(uv_loop_init(&worker->loop), 0);
    assert_int_equal(conns_init(&worker->conns, &worker->loop, conn_ready), 0);
    settle_start(&worker->settle, &worker->conns, on_turned, worker);
    assert_int_equal(service_start(&stage->service, why, sizeof(why)), 0);
    stage->service.endpoint.transport = transport;
    stage->service.endpoint.handler = &handler;
    if (!stage->is_judging)
        stage->service.endpoint.ops = &ops;
}

void stage_free(struct stage *stage) {
    struct worker *worker = &stage->worker;
    settle_stop(&worker->settle);
    assert_int_equal(worker->conns.budget.held, 0);
    service_stop(&stage->service);
    conns_done(&worker->conns);
    protocol_http_shared_done(&worker->http);
    ws_shared_done(&worker->ws);
    uv_run(&worker->loop, UV_RUN_NOWAIT);
    assert_int_equal(uv_loop_close(&worker->loop), 0);
    for (size_t i = 0; i < stage->peer_count; i++) {
        peer_done(stage->peers[i]);
        free(stage->peers[i]);
    }
    bytes_done(&stage->events);
    free(stage);
}

struct peer *stage_peer(struct stage *stage, const char *name) {
    struct peer *peer = malloc(sizeof(*peer));
    assert_non_null(peer);
    assert_true(stage->peer_count < STAGE_PEERS_MAX);
    peer_init(peer, name);
    stage->peers[stage->peer_count++] = peer;
    return peer;
}

void stage_adopt(struct stage *stage, struct peer *peer) {
    struct endpoint *endpoint = &stage->service.endpoint;
    struct address address = {.family = CREW_ADDR_IPV4, .bytes = {127, 0, 0, 1}};
    struct crew_conn *conn = conn_allocate(endpoint);
    assert_non_null(conn);
    peer_attach(peer, conn);
    room_take(&stage->worker.room);
    assert_int_equal(conn_adopt(conn, endpoint, -1, &address), 0);
}

struct peer *stage_join(struct stage *stage, const char *name) {
    struct peer *peer = stage_peer(stage, name);
    stage_adopt(stage, peer);
    return peer;
}

struct peer *stage_meet(struct stage *stage, const char *name) {
    struct peer *peer = stage_join(stage, name);
    if (stage->config.listen.protocol == LISTEN_WEBSOCKET)
        say_handshake(peer, NULL);
    stage_run(stage);
    stage_forget(stage);
    peer_forget(peer);
    return peer;
}

void stage_say(struct peer *peer, const char *text) {
    peer_put(peer, text, strlen(text));
}

/* What a turn does beside the wait. */
static void settle(struct stage *stage) {
    uv_run(&stage->worker.loop, UV_RUN_NOWAIT);
    stage->is_hurried = settle_turn(&stage->worker.settle);
}

/* What a connection keeps of its peer's, counted from nothing. */
static size_t own_of(const struct crew_conn *conn) {
    size_t own = conn->stash ? budget_size(sizeof(*conn->stash) + conn->stash->capacity) : 0;
    if (conn->layer == LAYER_PROTOCOL && conn->protocol->held)
        own += conn->protocol->held(conn);
    return (own + 15) / 16 * 16;
}

/* Between the events of a turn the budget is what a naive sum gives; less than a byte of each
 * piece is lost where it is divided among those that share it. */
static void check_budget(const struct stage *stage) {
    const struct conns *conns = &stage->worker.conns;
    const struct list *node;
    size_t sum = 0;
    list_each (node, &conns->all) {
        const struct crew_conn *conn = list_entry(node, struct crew_conn, in_all);
        if (conn->state != CONN_ENDED)
            assert_int_equal(conn->held * 16u, own_of(conn));
        sum += conn_total_held(conn);
    }
    assert_in_range(conns->budget.held, sum, sum + 1024);
}

void stage_turn(struct stage *stage) {
    settle(stage); /* what the test has done in between */
    for (size_t i = 0; i < stage->peer_count; i++) {
        struct peer *peer = stage->peers[i];
        int events = peer_events(peer);
        if (events)
            conn_ready(peer->conn, events);
        check_budget(stage);
    }
    settle(stage);
    check_budget(stage);
}

static bool has_work(const struct stage *stage) {
    const struct conns *conns = &stage->worker.conns;
    for (size_t i = 0; i < stage->peer_count; i++)
        if (peer_events(stage->peers[i]))
            return true;
    return conns->due.first || conns->gathered_count > 0 || stage->is_hurried;
}

void stage_run(struct stage *stage) {
    stage_turn(stage);
    for (int turns = 0; has_work(stage); turns++) {
        assert_true(turns < TURNS_MAX);
        stage_turn(stage);
    }
}

void stage_pass(struct stage *stage, uint64_t ms) {
    struct uv_loop_s *loop = &stage->worker.loop;
    uint64_t until = fake_clock_now() + ms;
    stage_run(stage);
    while (fake_clock_now() < until) {
        uint64_t left = until - fake_clock_now();
        uv_update_time(loop);
        int timeout = uv_backend_timeout(loop);
        uint64_t step = timeout < 0 ? left : timeout == 0 ? 1 : (uint64_t)timeout;
        fake_clock_pass(step < left ? step : left);
        stage_run(stage);
    }
}

void stage_pass_most(struct stage *stage, uint64_t ms) {
    stage_pass(stage, ms - STAGE_TICK_MS);
}

void stage_pass_rest(struct stage *stage) {
    stage_pass(stage, STAGE_TICK_MS + STAGE_SLACK_MS);
}

void stage_chatter(struct stage *stage, struct peer *peer, const char *text, uint64_t ms) {
    for (uint64_t passed = STAGE_TICK_MS; passed < ms; passed += STAGE_TICK_MS) {
        stage_say(peer, text);
        stage_pass(stage, STAGE_TICK_MS);
    }
}

void stage_answer(struct crew_conn *conn, const char *event, const crew_msg *msg) {
    (void)msg;
    if (strcmp(event, "request") == 0)
        crew_conn_send(conn, "ok", 2);
}

void stage_forget(struct stage *stage) {
    stage->events.len = 0;
    stage->events.data[0] = '\0';
}

char *stage_take_events(struct stage *stage) {
    char *events = strdup(stage->events.data);
    assert_non_null(events);
    stage_forget(stage);
    return events;
}

void stage_expect(struct stage *stage, const char *events) {
    char *came = stage_take_events(stage);
    assert_string_equal(came, events);
    free(came);
}

void stage_expect_out(struct peer *peer, const char *text) {
    assert_string_equal(peer->out.data, text);
    assert_int_equal(peer->out.len, strlen(text));
    peer_forget(peer);
}

void stage_expect_end(struct stage *stage, const struct peer *peer, uint64_t ms) {
    stage_pass_most(stage, ms);
    assert_false(peer->is_shut || peer->is_closed);
    stage_pass_rest(stage);
    assert_true(peer->is_shut || peer->is_closed);
}
