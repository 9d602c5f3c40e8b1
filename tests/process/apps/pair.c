/* SPDX-License-Identifier: MIT
 *
 * Two services, whose workers a test can make fail or wait at their start, one by one: a file
 * fail.SERVICE.SLOT or wait.SERVICE.SLOT in the folder PAIR_FOLDER does it. Each line is
 * answered with who answers.
 */
#include <crewman.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef PAIR_SECOND
#define PAIR_SECOND "b"
#endif

static int is_told_to(const char *what) {
    char path[512];
    const char *folder = getenv("PAIR_FOLDER");
    snprintf(path, sizeof(path), "%s/%s.%s.%u", folder ? folder : "", what,
             crew_worker_service(), crew_worker_slot());
    return access(path, F_OK) == 0;
}

static int on_worker_start(const struct crew_service_ref *service) {
    (void)service;
    const struct timespec moment = {.tv_nsec = 10000000};
    while (is_told_to("wait"))
        nanosleep(&moment, NULL);
    return is_told_to("fail") ? CREW_ESTATE : 0;
}

static void on_message(crew_conn *conn, const crew_msg *msg) {
    char line[128];
    if (msg->len == 4 && memcmp(msg->data, "quit", 4) == 0) {
        crew_worker_stop();
        return;
    }
    int len = snprintf(line, sizeof(line), "%s %u %u", crew_worker_service(),
                       crew_worker_slot(), crew_worker_generation());
    crew_conn_send(conn, line, (size_t)len);
}

CREW_APP(
    {
        .name = "a",
        .listen = "text://127.0.0.1:2396",
        .workers = 2,
        .on_worker_start = on_worker_start,
        .on_message = on_message,
    },
    {
        .name = PAIR_SECOND,
        .listen = "text://127.0.0.1:2397",
        .workers = 2,
        .on_worker_start = on_worker_start,
        .on_message = on_message,
    })
