/* SPDX-License-Identifier: MIT
 *
 * Calls every function of crewman.h that takes a connection or a request with NULL, once at the
 * start of its worker: each must say so, and none crash.
 */
#include <crewman.h>
#include <crewman/json.h>
#include <string.h>

static int failures;

#define CHECK(holds)                                                                           \
    do {                                                                                       \
        if (!(holds)) {                                                                        \
            crew_log(CREW_LOG_ERROR, "null: line %d: not so: %s", __LINE__, #holds);           \
            failures++;                                                                        \
        }                                                                                      \
    } while (0)

static int visit_pair(const char *name, const char *value, void *arg) {
    (void)name;
    (void)value;
    (void)arg;
    return 1;
}

static int visit_field(const char *name, const char *value, size_t len, void *arg) {
    (void)len;
    return visit_pair(name, value, arg);
}

static void on_data_end(void *data) {
    (void)data;
    failures++;
}

static void on_tick(crew_conn *conn, crew_timer timer) {
    (void)conn;
    (void)timer;
    failures++;
}

static void check_sends(void) {
    crew_frame *frame = crew_frame_new("x", 1, CREW_MSG_TEXT);
    CHECK(crew_conn_send(NULL, "x", 1) == CREW_ENOENT);
    CHECK(crew_conn_send_text(NULL, "x", 1) == CREW_ENOENT);
    CHECK(crew_conn_send_binary(NULL, "x", 1) == CREW_ENOENT);
    CHECK(crew_conn_send_frame(NULL, frame) == CREW_ENOENT);
    CHECK(crew_frame_ref(NULL) == NULL);
    crew_frame_unref(NULL);
    crew_frame_unref(frame);
    CHECK(crew_conn_send_json(NULL, NULL) == CREW_ENOENT);
    CHECK(crew_conn_sendf(NULL, "%d", 1) == CREW_ENOENT);
    CHECK(crew_conn_send_pack(NULL, "{}") == CREW_ENOENT);
    CHECK(crew_conn_timer(NULL, 1, on_tick) == CREW_ENOENT);
    CHECK(crew_conn_timer_once(NULL, 1, on_tick) == CREW_ENOENT);
    CHECK(crew_out_add(NULL, "x", 1) == CREW_ENOENT);
}

static void check_conn(void) {
    struct crew_addr addr;
    struct crew_conn_stats stats;
    memset(&addr, 'x', sizeof(addr));
    memset(&stats, 'x', sizeof(stats));
    crew_conn_close(NULL);
    crew_conn_destroy(NULL);
    crew_conn_pause(NULL);
    crew_conn_resume(NULL);
    CHECK(crew_conn_authenticated(NULL) == CREW_ENOENT);
    crew_conn_set_data(NULL, &failures, on_data_end);
    CHECK(crew_conn_close_with(NULL, 1000, NULL) == CREW_ENOENT);
    CHECK(crew_conn_id(NULL) == 0 && crew_conn_find(0) == NULL);
    CHECK(crew_conn_data(NULL) == NULL && crew_conn_state(NULL) == NULL);
    CHECK(crew_protocol_state(NULL) == NULL);
    crew_conn_peer(NULL, &addr);
    CHECK(addr.family == CREW_ADDR_NONE && addr.text[0] == '\0');
    memset(&addr, 'x', sizeof(addr));
    crew_conn_local(NULL, &addr);
    CHECK(addr.family == CREW_ADDR_NONE && addr.text[0] == '\0');
    crew_conn_stats(NULL, &stats);
    CHECK(stats.bytes_in == 0 && stats.age_ms == 0);
    CHECK(crew_conn_close_code(NULL) == 0);
    CHECK(strcmp(crew_conn_service(NULL), "") == 0 && crew_conn_service_ref(NULL) == NULL);
    CHECK(crew_conn_request(NULL) == NULL);
}

static void check_request(void) {
    struct crew_file file;
    size_t len = 7;
    CHECK(crew_request_conn(NULL) == NULL && crew_request_id(NULL) == 0);
    CHECK(crew_request_find(0) == NULL && crew_request_data(NULL) == NULL);
    crew_request_set_data(NULL, &failures, on_data_end);
    CHECK(strcmp(crew_request_method(NULL), "") == 0);
    CHECK(strcmp(crew_request_target(NULL), "") == 0);
    CHECK(strcmp(crew_request_path(NULL), "") == 0);
    CHECK(strcmp(crew_request_query_string(NULL), "") == 0);
    CHECK(strcmp(crew_request_host(NULL), "") == 0);
    CHECK(crew_request_minor_version(NULL) == 0);
    CHECK(crew_request_header(NULL, "a") == NULL && crew_request_trailer(NULL, "a") == NULL);
    CHECK(crew_request_query(NULL, "a") == NULL && crew_request_cookie(NULL, "a") == NULL);
    CHECK(crew_request_form(NULL, "a") == NULL);
    CHECK(crew_request_each_header(NULL, visit_pair, NULL) == CREW_ENOENT);
    CHECK(crew_request_each_trailer(NULL, visit_pair, NULL) == CREW_ENOENT);
    CHECK(crew_request_each_field(NULL, visit_field, NULL) == CREW_ENOENT);
    CHECK(crew_request_file(NULL, NULL, 0, &file) == CREW_ENOENT);
    CHECK(strcmp(crew_request_body(NULL, &len), "") == 0 && len == 0);
    CHECK(crew_request_json(NULL, NULL) == NULL);
}

static void check_session(void) {
    CHECK(crew_session_get(NULL, "a") == NULL && strcmp(crew_session_id(NULL), "") == 0);
    CHECK(crew_session_each(NULL, visit_pair, NULL) == CREW_ENOENT);
    CHECK(crew_session_set(NULL, "a", "b") == CREW_ENOENT);
    CHECK(crew_session_del(NULL, "a") == CREW_ENOENT);
    CHECK(crew_session_clear(NULL) == CREW_ENOENT);
    CHECK(crew_session_regenerate(NULL) == CREW_ENOENT);
}

static void check_reply(void) {
    struct crew_cookie cookie = {.name = "a", .value = "b"};
    struct crew_sse event = {.data = "x"};
    json_t *value = json_object();
    CHECK(crew_reply_header(NULL, "a", "b") == CREW_ENOENT);
    CHECK(crew_reply_cookie(NULL, &cookie) == CREW_ENOENT);
    CHECK(crew_reply_close(NULL) == CREW_ENOENT);
    CHECK(crew_reply(NULL, 200, NULL, "x", 1) == CREW_ENOENT);
    CHECK(crew_replyf(NULL, 200, NULL, "%d", 1) == CREW_ENOENT);
    CHECK(crew_reply_pack(NULL, 200, "{}") == CREW_ENOENT);
    CHECK(crew_reply_file(NULL, "/dev/null") == CREW_ENOENT);
    CHECK(crew_reply_redirect(NULL, 302, "/") == CREW_ENOENT);
    CHECK(crew_reply_begin(NULL, 200, NULL) == CREW_ENOENT);
    CHECK(crew_reply_write(NULL, "x", 1) == CREW_ENOENT);
    CHECK(crew_reply_end(NULL) == CREW_ENOENT);
    CHECK(crew_reply_sse(NULL, &event) == CREW_ENOENT);
    CHECK(crew_reply_json(NULL, 200, value) == CREW_ENOENT);
    CHECK(crew_handshake_protocol(NULL, "chat") == CREW_ENOENT);
    json_decref(value);
}

static int on_worker_start(const struct crew_service_ref *service) {
    (void)service;
    check_sends();
    check_conn();
    check_request();
    check_session();
    check_reply();
    crew_log(CREW_LOG_NOTICE, "null: %d failures", failures);
    return failures ? CREW_EINVAL : 0;
}

CREW_APP({.name = "probe", .on_worker_start = on_worker_start})
