/* SPDX-License-Identifier: MIT
 *
 * An app for test_app.py whose constructor calls what needs no connection. In the process that
 * asks what the app declares, the label of its service is what it found there.
 */
#include <crewman.h>
#include <stdio.h>
#include <string.h>

#include <crewman/uv.h>

static char label[100];
static const struct crew_service extra = {.name = "extra"};

static void on_tick(crew_timer timer, void *arg) {
    (void)timer;
    (void)arg;
}

static int visit(crew_conn *conn, void *arg) {
    (void)conn;
    (void)arg;
    return 1;
}

static int works_without_a_loop(void) {
    const char *text = crew_tmpf("%d", 5), *html = crew_tmp_html("<");
    return text && strcmp(text, "5") == 0 && html && strcmp(html, "&lt;") == 0 &&
           crew_now_ms() > 0 && strcmp(crew_worker_service(), "") == 0 &&
           !crew_worker_settings(NULL) && !crew_worker_settings("probe") &&
           !crew_conn_find(1) && !crew_request_find(1) && crew_conn_count() == 0 &&
           crew_conn_each(visit, NULL) == 0;
}

static int needs_a_loop(void) {
    return crew_timer_add(1, on_tick, NULL) == CREW_ESTATE &&
           crew_timer_add_once(0, on_tick, NULL) == CREW_ESTATE &&
           crew_timer_del(1) == CREW_ENOENT && !crew_worker_loop() &&
           crew_worker_listen("text://127.0.0.1:1", &extra, NULL) == CREW_ESTATE;
}

__attribute__((constructor)) static void begin(void) {
    crew_log(CREW_LOG_NOTICE, "early: slot %u", crew_worker_slot());
    if (crew_worker_generation() > 0)
        return;
    crew_worker_stop();
    snprintf(label, sizeof(label), "%d %d", works_without_a_loop(), needs_a_loop());
}

static void on_message(crew_conn *conn, const crew_msg *msg) {
    crew_conn_send(conn, msg->data, msg->len);
}

CREW_APP({.name = "probe", .label = label, .workers = 1, .on_message = on_message})
