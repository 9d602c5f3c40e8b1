/* SPDX-License-Identifier: MIT
 * echo: every message goes back to the client that sent it. */
#include <crewman.h>

static void on_message(crew_conn *conn, const crew_msg *msg) {
    if (crew_conn_send(conn, msg->data, msg->len) == CREW_QUEUED)
        crew_conn_pause(conn);
}
static void on_buffer_drain(crew_conn *conn) {
    crew_conn_resume(conn);
}

CREW_APP({.name = "echo", .listen = "websocket://0.0.0.0:2346", .workers = 4,
          .on_message = on_message, .on_buffer_drain = on_buffer_drain})
