/* SPDX-License-Identifier: MIT
 * echo: every message goes back to the client that sent it. */
#include <crewman.h>

static void on_message(crew_conn *conn, const crew_msg *msg) {
    crew_conn_send(conn, msg->data, msg->len);
}

CREW_APP({
    .name = "echo",
    .listen = "websocket://0.0.0.0:2346",
    .workers = 4,
    .on_message = on_message,
})
