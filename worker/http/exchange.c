/* SPDX-License-Identifier: MIT
 *
 * See exchange.h.
 */
#include "exchange.h"

#include <stddef.h>

#include "app_handler.h"
#include "conn.h"
#include "http_wire.h"
#include "request.h"
#include "service.h"
#include "static.h"
#include "worker.h"

#define ID_OF_REQUEST   (UINT64_C(1) << 63)
#define ID_COUNTER_BITS 39 /* the process has 24 */
#define ID_COUNTER_MAX  ((UINT64_C(1) << ID_COUNTER_BITS) - 1)

static struct exchanges *exchanges_of(const struct crew_conn *conn) {
    return &service_of(conn)->worker->http.exchanges;
}

void exchange_table_init(struct exchanges *exchanges) {
    idmap_init(&exchanges->requests, offsetof(struct crew_request, id));
}

void exchange_table_done(struct exchanges *exchanges) {
    idmap_done(&exchanges->requests);
    request_free(exchanges->spare);
    exchanges->spare = NULL;
}

struct crew_request *exchange_new(struct crew_conn *conn, const struct http_wire *wire) {
    struct exchanges *exchanges = exchanges_of(conn);
    struct crew_request *request = exchanges->spare;
    uint32_t capacity = service_of(conn)->config->limits.headers;
    exchanges->spare = NULL;
    if (request && request->field_capacity != capacity) { /* of a service with other limits */
        request_free(request);
        request = NULL;
    }
    if (!request)
        request = request_new(capacity);
    if (request) {
        request->conn = conn;
        request->wire = wire;
        request->head.fields = request->fields;
        request->head.capacity = request->field_capacity;
    }
    return request;
}

static void release(struct guard_held *held) {
    struct crew_request *request = (struct crew_request *)(void *)held; /* its first member */
    struct exchanges *exchanges = exchanges_of(request->conn);
    app_handler_drop_data(request->conn, &request->app_data);
    request_reset(request);
    if (exchanges->spare)
        request_free(request);
    else
        exchanges->spare = request;
}

void exchange_free(struct crew_request *request) {
    struct worker *worker = service_of(request->conn)->worker;
    if (request->id)
        idmap_take(&worker->http.exchanges.requests, request->id);
    if (request->failed)
        list_remove(&request->in_failed);
    if (request->is_counted)
        admission_release(request);
    request->is_over = true;
    request->held.release = release;
    guard_hold(&worker->guard, &request->held);
}

/* Once the connection is closing, what was not copied lies in memory of others. */
bool exchange_is_waiting(const struct crew_request *request) {
    return request->is_parsed &&
           (request->conn->state <= CONN_OPEN || request_is_kept(request));
}

/* The highest bit is that of no connection's id: what is kept of one never finds the other. */
uint64_t exchange_id(struct crew_request *request) {
    struct worker *worker = service_of(request->conn)->worker;
    struct exchanges *exchanges = &worker->http.exchanges;
    if (request->id || request->is_over)
        return request->id;
    uint64_t counter = ++exchanges->last_id & ID_COUNTER_MAX;
    request->id = ID_OF_REQUEST | (uint64_t)worker->plan.process << ID_COUNTER_BITS | counter;
    if (idmap_put(&exchanges->requests, request) != 0)
        request->id = 0;
    return request->id;
}

struct crew_request *exchange_find(const struct worker *worker, uint64_t id) {
    struct crew_request *request = idmap_find(&worker->http.exchanges.requests, id);
    return request && exchange_is_waiting(request) ? request : NULL;
}

void exchange_dispatch(struct crew_request *request) {
    struct crew_conn *conn = request->conn;
    const struct service *service = service_of(conn);
    request->is_dispatched = true;
    conn->messages_in++;
    conns_of(conn)->totals.messages_in++;
    if (service->files.is_on && static_answer(conn, request))
        return;
    if (service->app.on_request)
        app_handler_request(conn, request);
    else
        exchange_refuse(request, 404, "nothing here");
}

void exchange_keep(struct crew_request *request) {
    if (request->reply != REPLY_DONE && request_keep(request) != 0)
        request->wire->abandon(request, CREW_ENOMEM);
}

static int error_of(int status) {
    switch (status) {
    case 408:
        return CREW_ETIMEOUT;
    case 413:
    case 414:
    case 429:
    case 431:
        return CREW_ETOOBIG;
    default:
        return CREW_EPROTO;
    }
}

void exchange_refuse(struct crew_request *request, int status, const char *text) {
    request->wire->refuse(request, status, error_of(status), text);
}
