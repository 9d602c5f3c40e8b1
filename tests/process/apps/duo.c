/* SPDX-License-Identifier: MIT
 *
 * Two services and a process without a listener in one app, as a config-free instance would
 * have.
 */
#include <crewman.h>

static void on_message(crew_conn *conn, const crew_msg *msg) {
    crew_conn_send(conn, msg->data, msg->len);
}

static void tick(crew_timer timer, void *arg) {
    (void)timer;
    (void)arg;
}

static int start_timer(const struct crew_service_ref *service) {
    (void)service;
    crew_log(CREW_LOG_NOTICE, "duo: timer process started");
    return crew_timer_add(100, tick, NULL) > 0 ? 0 : -1;
}

CREW_APP(
    {
        .name = "lines",
        .listen = "text://127.0.0.1:2398",
        .workers = 1,
        .on_message = on_message,
    },
    {
        .name = "frames",
        .listen = "frame://127.0.0.1:2399",
        .workers = 1,
        .on_message = on_message,
    },
    {
        .name = "ticker",
        .workers = 1,
        .on_worker_start = start_timer,
    })
