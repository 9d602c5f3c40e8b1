/* SPDX-License-Identifier: MIT
 *
 * An app for test_shared_process.py: two services that share the processes named "front", and
 * one without an address. Each says what it is asked and who it is; `settings` may let the
 * start of a service fail. Built with ALONE it has no "lines".
 */
#include <crewman.h>
#include <string.h>
#include <unistd.h>

static int on_worker_start(const struct crew_service_ref *service) {
    crew_log(CREW_LOG_NOTICE, "shared: start %s/%u generation %u in %s", service->name,
             service->slot, crew_worker_generation(), crew_worker_service());
    return strstr(service->settings, "fail") ? -1 : 0;
}

static void on_worker_drain(const struct crew_service_ref *service, int reason) {
    crew_log(CREW_LOG_NOTICE, "shared: drain %s/%u %s", service->name, service->slot,
             crew_close_reason_name(reason));
}

static void on_worker_stop(const struct crew_service_ref *service) {
    crew_log(CREW_LOG_NOTICE, "shared: stop %s/%u", service->name, service->slot);
}

static void on_message(crew_conn *conn, const crew_msg *msg) {
    if (msg->len == 1 && *msg->data == '?')
        crew_conn_sendf(conn, "%s %s/%u pid=%d generation=%u", crew_conn_service(conn),
                        crew_worker_service(), crew_worker_slot(), (int)getpid(),
                        crew_worker_generation());
    else
        crew_conn_send(conn, msg->data, msg->len);
}

static void on_close(crew_conn *conn, int reason) {
    crew_log(CREW_LOG_NOTICE, "shared: closed %s %s, in %s", crew_conn_service(conn),
             crew_close_reason_name(reason), crew_worker_service());
}

#define COMMON                                                                                 \
    .process = "front", .on_worker_start = on_worker_start,                                    \
    .on_worker_drain = on_worker_drain, .on_worker_stop = on_worker_stop,                      \
    .on_message = on_message, .on_close = on_close

CREW_APP({.name = "chat", .listen = "websocket://127.0.0.1:1", .workers = 1, COMMON},
#ifndef ALONE
         {.name = "lines", .label = "Line by line", .listen = "text://127.0.0.1:2", COMMON},
#endif
         {.name = "clock", COMMON})
