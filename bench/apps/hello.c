/* SPDX-License-Identifier: MIT
 * hello: the shortest answer to every request, for bench/run. */
#include <crewman.h>

static void on_request(crew_conn *conn, crew_request *request) {
    (void)conn;
    crew_reply(request, 200, "text/plain", "hello", 5);
}

CREW_APP({
    .name = "hello",
    .listen = "http://127.0.0.1:8080",
    .on_request = on_request,
})
