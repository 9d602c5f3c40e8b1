/* SPDX-License-Identifier: MIT
 *
 * See app_handler.h. A language runtime is a second such file, or describes services whose
 * callbacks are its own.
 */
#include "app_handler.h"

#include "guard.h"
#include "service.h"
#include "worker.h"

/* Around each call of the app's code, always in pairs. */
struct entry {
    struct worker *worker;
    struct service *outer;
    struct guard_entry guard;
};

static inline struct entry enter_worker(struct worker *worker, struct service *service,
                                        enum score_callback which) {
    struct entry entry = {.worker = worker, .outer = worker->running};
    worker->running = service;
    entry.guard = guard_enter(&worker->guard, which);
    return entry;
}

static struct entry enter(const struct crew_conn *conn, enum score_callback which) {
    struct service *service = service_of(conn);
    return enter_worker(service->worker, service, which);
}

static inline void leave(struct entry entry) {
    guard_leave(&entry.worker->guard, entry.guard);
    entry.worker->running = entry.outer;
}

static const struct crew_service *app_of(const struct crew_conn *conn) {
    return &service_of(conn)->app;
}

static void call(struct crew_conn *conn, enum score_callback which,
                 void (*callback)(crew_conn *conn)) {
    if (!callback)
        return;
    struct entry entry = enter(conn, which);
    callback(conn);
    leave(entry);
}

static void on_connect(struct crew_conn *conn) {
    call(conn, SCORE_IN_CONNECT, app_of(conn)->on_connect);
}

static void on_open(struct crew_conn *conn) {
    call(conn, SCORE_IN_OPEN, app_of(conn)->on_open);
}

static void on_buffer_full(struct crew_conn *conn) {
    call(conn, SCORE_IN_BUFFER_FULL, app_of(conn)->on_buffer_full);
}

static void on_buffer_drain(struct crew_conn *conn) {
    call(conn, SCORE_IN_BUFFER_DRAIN, app_of(conn)->on_buffer_drain);
}

static void on_message(struct crew_conn *conn, const crew_msg *msg) {
    struct service *service = service_of(conn);
    if (!service->app.on_message)
        return;
    struct entry entry = enter_worker(service->worker, service, SCORE_IN_MESSAGE);
    service->app.on_message(conn, msg);
    leave(entry);
}

static void tell(struct crew_conn *conn, enum score_callback which,
                 void (*callback)(crew_conn *conn, const crew_msg *payload),
                 const crew_msg *payload) {
    if (!callback)
        return;
    struct entry entry = enter(conn, which);
    callback(conn, payload);
    leave(entry);
}

static void on_ping(struct crew_conn *conn, const crew_msg *payload) {
    tell(conn, SCORE_IN_PING, app_of(conn)->on_ping, payload);
}

static void on_pong(struct crew_conn *conn, const crew_msg *payload) {
    tell(conn, SCORE_IN_PONG, app_of(conn)->on_pong, payload);
}

static void on_error(struct crew_conn *conn, int error, const char *text) {
    const struct crew_service *app = app_of(conn);
    if (!app->on_error)
        return;
    struct entry entry = enter(conn, SCORE_IN_ERROR);
    app->on_error(conn, error, text);
    leave(entry);
}

static void on_close(struct crew_conn *conn, int reason) {
    const struct crew_service *app = app_of(conn);
    if (!app->on_close)
        return;
    struct entry entry = enter(conn, SCORE_IN_CLOSE);
    app->on_close(conn, reason);
    leave(entry);
}

/* The old one is replaced first: whoever sets other data in the destructor does not end this
 * one again. */
void app_handler_set_data(struct crew_conn *conn, struct app_data *place,
                          struct app_data given) {
    struct app_data old = *place;
    *place = given;
    if (!old.data || !old.destructor || old.data == given.data)
        return;
    struct entry entry = enter(conn, SCORE_IN_DESTRUCTOR);
    old.destructor(old.data);
    leave(entry);
}

void app_handler_drop_data(struct crew_conn *conn, struct app_data *place) {
    app_handler_set_data(conn, place, (struct app_data){0});
}

static void drop_data(struct crew_conn *conn) {
    if (conn->has_timers)
        timers_end_of(&service_of(conn)->worker->timers, conn->id);
    app_handler_drop_data(conn, &conn->app_data);
}

static bool begin_row(struct endpoint *endpoint) {
    return guard_begin_row(&((struct service *)(void *)endpoint)->worker->guard);
}

static void end_row(struct endpoint *endpoint) {
    guard_end_row(&((struct service *)(void *)endpoint)->worker->guard);
}

const struct handler app_handler = {
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

int app_handler_worker_start(struct service *service) {
    if (!service->app.on_worker_start)
        return 0;
    struct entry entry = enter_worker(service->worker, service, SCORE_IN_WORKER_START);
    int result = service->app.on_worker_start(&service->ref);
    leave(entry);
    return result;
}

void app_handler_worker_drain(struct service *service, int reason) {
    if (!service->app.on_worker_drain)
        return;
    struct entry entry = enter_worker(service->worker, service, SCORE_IN_WORKER_DRAIN);
    service->app.on_worker_drain(&service->ref, reason);
    leave(entry);
}

void app_handler_worker_stop(struct service *service) {
    if (!service->app.on_worker_stop)
        return;
    struct entry entry = enter_worker(service->worker, service, SCORE_IN_WORKER_STOP);
    service->app.on_worker_stop(&service->ref);
    leave(entry);
}

int app_handler_handshake(struct crew_conn *conn, struct crew_request *request) {
    const struct crew_service *app = app_of(conn);
    if (!app->on_handshake)
        return 0;
    struct entry entry = enter(conn, SCORE_IN_HANDSHAKE);
    int status = app->on_handshake(conn, request);
    leave(entry);
    return status;
}

void app_handler_request(struct crew_conn *conn, struct crew_request *request) {
    const struct crew_service *app = app_of(conn);
    if (!app->on_request)
        return;
    struct entry entry = enter(conn, SCORE_IN_REQUEST);
    app->on_request(conn, request);
    leave(entry);
}

void app_handler_body(struct crew_conn *conn, struct crew_request *request, const char *data,
                      size_t len, bool is_last) {
    const struct crew_service *app = app_of(conn);
    if (!app->on_body)
        return;
    struct entry entry = enter(conn, SCORE_IN_REQUEST);
    app->on_body(conn, request, data, len, is_last);
    leave(entry);
}

ptrdiff_t app_handler_input(struct crew_conn *conn, const char *data, size_t len) {
    struct entry entry = enter(conn, SCORE_IN_PROTOCOL);
    ptrdiff_t answer = app_of(conn)->protocol->input(conn, data, len);
    leave(entry);
    return answer;
}

int app_handler_decode(struct crew_conn *conn, char *package, size_t len, crew_msg *message) {
    const struct crew_protocol *framing = app_of(conn)->protocol;
    if (!framing->decode)
        return 0;
    struct entry entry = enter(conn, SCORE_IN_PROTOCOL);
    int answer = framing->decode(conn, package, len, message);
    leave(entry);
    return answer;
}

int app_handler_encode(struct crew_conn *conn, const void *data, size_t len,
                       enum crew_msg_type type, struct crew_out *out) {
    struct entry entry = enter(conn, SCORE_IN_PROTOCOL);
    int answer = app_of(conn)->protocol->encode(conn, data, len, type, out);
    leave(entry);
    return answer;
}

void app_handler_framing_connect(struct crew_conn *conn) {
    call(conn, SCORE_IN_PROTOCOL, app_of(conn)->protocol->on_connect);
}

void app_handler_framing_close(struct crew_conn *conn) {
    call(conn, SCORE_IN_PROTOCOL, app_of(conn)->protocol->on_close);
}

int app_handler_visit(struct crew_conn *conn, int (*visit)(crew_conn *conn, void *arg),
                      void *arg) {
    struct worker *worker = service_of(conn)->worker;
    struct entry entry = enter_worker(worker, worker->running, SCORE_IN_VISIT);
    int answer = visit(conn, arg);
    leave(entry);
    return answer;
}

void app_handler_tick(struct worker *worker, struct service *service,
                      void (*tick)(crew_timer timer, void *arg), crew_timer timer, void *arg) {
    struct entry entry = enter_worker(worker, service, SCORE_IN_TIMER);
    tick(timer, arg);
    leave(entry);
}

void app_handler_conn_tick(struct crew_conn *conn,
                           void (*tick)(crew_conn *conn, crew_timer timer), crew_timer timer) {
    struct entry entry = enter(conn, SCORE_IN_TIMER);
    tick(conn, timer);
    leave(entry);
}
