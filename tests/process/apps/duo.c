/* SPDX-License-Identifier: MIT
 *
 * Two services and a process without a listener in one app, as a config-free instance would
 * have.
 */
#include <crewman.h>
#include <stdio.h>
#include <stdlib.h>

static char lines[64], frames[64];

/* Before anybody reads the descriptor: ports that are free in this run. */
__attribute__((constructor)) static void choose_ports(void) {
    const char *port = getenv("DUO_LINES"), *other = getenv("DUO_FRAMES");
    snprintf(lines, sizeof(lines), "text://127.0.0.1:%s", port ? port : "2398");
    snprintf(frames, sizeof(frames), "frame://127.0.0.1:%s", other ? other : "2399");
}

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
        .listen = lines,
        .workers = 1,
        .on_message = on_message,
    },
    {
        .name = "frames",
        .listen = frames,
        .workers = 1,
        .on_message = on_message,
    },
    {
        .name = "ticker",
        .workers = 1,
        .on_worker_start = start_timer,
    })
