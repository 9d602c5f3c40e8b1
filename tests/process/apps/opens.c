/* SPDX-License-Identifier: MIT
 *
 * An app for test_worker_listen.py: in on_worker_start it opens the addresses of its settings,
 * a list of [address, config]; what each answers is in the log.
 */
#include <crewman.h>
#include <stdio.h>
#include <string.h>

#include <crewman/json.h>

static char inner_data[] = "inner's own";
static size_t closed;

static int tell_session(crew_conn *conn, void *arg) {
    if (conn != arg)
        crew_conn_send(conn, "told", 4);
    return 0;
}

/* "settings" asks for those of the service whose callback runs, "tell" for a word to all other
 * connections. */
static void on_inner_message(crew_conn *conn, const crew_msg *msg) {
    char text[200];
    if (msg->len == 8 && memcmp(msg->data, "settings", 8) == 0) {
        crew_conn_sendf(conn, "%s", crew_worker_settings(NULL));
        return;
    }
    if (msg->len == 4 && memcmp(msg->data, "tell", 4) == 0)
        crew_conn_each(tell_session, conn);
    if (msg->len == 5 && memcmp(msg->data, "close", 5) == 0) {
        crew_conn_close(conn);
        return;
    }
    int len = snprintf(text, sizeof(text), "%s %s %.*s", crew_conn_service(conn),
                       (const char *)crew_conn_data(conn), (int)msg->len, msg->data);
    crew_conn_send(conn, text, (size_t)len);
}

static void on_inner_close(crew_conn *conn, int reason) {
    (void)conn;
    crew_log(CREW_LOG_NOTICE, "opens: inner closed %zu, %s", ++closed,
             crew_close_reason_name(reason));
}

static void open_one(const json_t *row) {
    const struct crew_service inner = {.name = "inner",
                                       .config = json_string_value(json_array_get(row, 1)),
                                       .on_message = on_inner_message,
                                       .on_close = on_inner_close};
    const char *address = json_string_value(json_array_get(row, 0));
    int result = crew_worker_listen(address, &inner, inner_data);
    crew_log(CREW_LOG_NOTICE, "opens: %s: %s", address,
             result == 0 ? "open" : crew_strerror(result));
}

static int on_worker_start(const struct crew_service_ref *service) {
    json_t *rows = json_loads(service->settings, 0, NULL);
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(rows, "open"), i, row) open_one(row);
    json_decref(rows);
    return 0;
}

static void on_worker_drain(const struct crew_service_ref *service, int reason) {
    (void)service;
    (void)reason;
    crew_log(CREW_LOG_NOTICE, "opens: drain");
}

static void on_worker_stop(const struct crew_service_ref *service) {
    (void)service;
    crew_log(CREW_LOG_NOTICE, "opens: stop");
}

/* "!bare" tries services that must be refused. */
static void on_message(crew_conn *conn, const crew_msg *msg) {
    (void)msg;
    struct crew_service wrong[7] = {{.name = "x", .listen = "text://127.0.0.1:1"},
                                    {.name = "x", .workers = 1},
                                    {.name = "x", .label = "for people"},
                                    {.name = "x", .reload = CREW_RELOAD_KEEP},
                                    {.name = "x", .on_worker_start = on_worker_start},
                                    {.name = "x", .state_size = SIZE_MAX - 64},
                                    {.name = NULL}};
    int refused = 0;
    for (size_t i = 0; i < 7; i++)
        refused += crew_worker_listen("text://127.0.0.1:1", &wrong[i], NULL) == CREW_EINVAL;
    refused += crew_worker_listen(NULL, &wrong[0], NULL) == CREW_EINVAL;
    refused += crew_worker_listen("text://127.0.0.1:1", NULL, NULL) == CREW_EINVAL;
    char text[20];
    int len = snprintf(text, sizeof(text), "%d refused", refused);
    crew_conn_send(conn, text, (size_t)len);
}

CREW_APP({.name = "outer",
          .workers = 1,
          .on_worker_start = on_worker_start,
          .on_worker_drain = on_worker_drain,
          .on_worker_stop = on_worker_stop,
          .on_message = on_message})
