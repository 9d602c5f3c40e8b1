/* SPDX-License-Identifier: MIT
 *
 * The functions of crewman.h that tell one request from another: by connection, by id, and what
 * the app hangs on one. The exchange itself is exchange.c's.
 */
#include "app_handler.h"
#include "exchange.h"
#include "protocol_http.h"
#include "request.h"
#include "worker.h"

crew_request *crew_conn_request(crew_conn *conn) {
    return conn ? protocol_http_request(conn) : NULL;
}

crew_conn *crew_request_conn(const crew_request *request) {
    return request ? request->conn : NULL;
}

uint64_t crew_request_id(crew_request *request) {
    return request ? exchange_id(request) : 0;
}

crew_request *crew_request_find(uint64_t id) {
    return exchange_find(worker_self(), id);
}

void crew_request_set_data(crew_request *request, void *data, void (*destructor)(void *data)) {
    if (!request)
        return;
    app_handler_set_data(request->conn, &request->app_data,
                         (struct app_data){data, destructor});
}

void *crew_request_data(const crew_request *request) {
    return request ? request->app_data.data : NULL;
}
