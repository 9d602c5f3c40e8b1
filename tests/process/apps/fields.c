/* SPDX-License-Identifier: MIT
 *
 * An app for test_service_fields.py: says what its services and its connections are given. A
 * message counts in the state of its connection; built with a VERSION, and with fields of its
 * own for the second service.
 */
#include <crewman.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef VERSION
#define VERSION 1
#endif
#ifndef MORE
#define MORE
#endif
#define BELL "\a"

struct state {
    _Alignas(max_align_t) unsigned char room[200];
    uint64_t messages;
};

static char first_data[] = "first's own", second_data[] = "second's own";

static void say(const struct crew_service_ref *service, const char *what, const char *more) {
    crew_log(CREW_LOG_NOTICE, "fields: %s %s/%u data=%s settings=%s in=%s %s", what,
             service->name, service->slot, (const char *)service->data, service->settings,
             crew_worker_service(), more);
}

static int on_worker_start(const struct crew_service_ref *service) {
    say(service, "start", CREW_HAS(service, settings) ? "" : "old");
    return 0;
}

static void on_worker_drain(const struct crew_service_ref *service, int reason) {
    say(service, "drain", crew_close_reason_name(reason));
}

static void on_worker_stop(const struct crew_service_ref *service) {
    say(service, "stop", "");
}

static int is_zero(const unsigned char *bytes, size_t len) {
    while (len > 0 && *bytes == 0) {
        bytes++;
        len--;
    }
    return len == 0;
}

static void on_connect(crew_conn *conn) {
    struct state *state = crew_conn_state(conn);
    if ((uintptr_t)state % _Alignof(max_align_t) != 0 || state->messages != 0 ||
        !is_zero(state->room, sizeof(state->room)))
        crew_log(CREW_LOG_ERROR, "fields: the state is dirty or not aligned");
}

static void on_message(crew_conn *conn, const crew_msg *msg) {
    char line[512];
    const struct crew_service_ref *service = crew_conn_service_ref(conn);
    struct state *state = crew_conn_state(conn);
    const char *other = crew_worker_settings("nobody");
    (void)msg;
    state->messages++;
    memset(state->room, 0xff, sizeof(state->room));
    int len =
        snprintf(line, sizeof(line), "v%d pid=%d n=%" PRIu64 " %s %s %s %s", VERSION,
                 (int)getpid(), state->messages, service->name, (const char *)service->data,
                 crew_worker_settings(NULL), other ? other : "none");
    crew_conn_send(conn, line, (size_t)len);
}

static void on_close(crew_conn *conn, int reason) {
    const struct state *state = crew_conn_state(conn);
    crew_log(CREW_LOG_NOTICE, "fields: closed after %" PRIu64 ", %s", state->messages,
             crew_close_reason_name(reason));
}

CREW_APP({.name = "first",
          .label = "The first of two",
          .listen = "text://127.0.0.1:1",
          .workers = 1,
          .config = "{\"settings\": {\"from\": \"app\"}}",
          .data = first_data,
          .state_size = sizeof(struct state),
          .on_worker_start = on_worker_start,
          .on_worker_drain = on_worker_drain,
          .on_worker_stop = on_worker_stop,
          .on_connect = on_connect,
          .on_message = on_message,
          .on_close = on_close},
         {.name = "second",
          .listen = "udp://127.0.0.1:2",
          .workers = 1,
          .data = second_data,
          .state_size = sizeof(struct state),
          .on_worker_start = on_worker_start,
          .on_message = on_message,
          .on_close = on_close,
          MORE})
