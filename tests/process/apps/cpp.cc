/* SPDX-License-Identifier: MIT
 *
 * An app in C++ for test_cpp.py: every header, every struct that an app fills, designated
 * initialisers in the order of the header.
 */
#include <crewman.h>
#include <crewman/json.h>
#include <crewman/uv.h>

#include <new>
#include <string>

namespace {

struct state {
    unsigned messages;
};

std::string motd;

ptrdiff_t input(crew_conn *, const char *data, size_t len) {
    const void *end = memchr(data, ';', len);
    return end ? static_cast<const char *>(end) - data + 1 : 0;
}

int encode(crew_conn *, const void *data, size_t len, enum crew_msg_type, crew_out *out) {
    crew_out_add(out, data, len);
    return crew_out_add(out, ";", 1);
}

const crew_protocol semicolons = {.name = "semicolons", .input = input, .encode = encode};

int listen_at_run_time(const char *settings) {
    const crew_service late = {
        .name = "late",
        .on_message =
            [](crew_conn *conn, const crew_msg *msg) {
                crew_conn_sendf(conn, "late %.*s", static_cast<int>(msg->len), msg->data);
            },
    };
    json_t *value = json_loads(settings, 0, nullptr);
    const char *address = json_string_value(json_object_get(value, "late"));
    int result = crew_worker_listen(address, &late, nullptr);
    json_decref(value);
    return result;
}

int on_worker_start(const crew_service_ref *service) {
    motd = static_cast<const char *>(service->data);
    return crew_worker_loop() ? listen_at_run_time(service->settings) : -1;
}

void on_message(crew_conn *conn, const crew_msg *msg) {
    auto *mine = static_cast<state *>(crew_conn_state(conn));
    std::string answer =
        std::to_string(++mine->messages) + " " + std::string(msg->data, msg->len);
    struct crew_conn_stats stats;
    crew_conn_stats(conn, &stats);
    answer += stats.messages_in == mine->messages ? " right" : " wrong";
    crew_conn_send(conn, answer.data(), answer.size());
}

void on_request(crew_conn *, crew_request *request) {
    crew_cookie cookie = {.name = "seen", .value = "yes", .path = "/"};
    json_t *value =
        json_pack("{s:s, s:s}", "path", crew_request_path(request), "motd", motd.c_str());
    crew_reply_cookie(request, &cookie);
    crew_reply_json(request, 200, value);
    json_decref(value);
}

char greeting[] = "hello";

} // namespace

CREW_APP({.name = "own",
          .label = "in C++",
          .listen = "tcp://127.0.0.1:1",
          .workers = 1,
          .state_size = sizeof(state),
          .protocol = &semicolons,
          .on_message = on_message},
         {
             .name = "web",
             .listen = "http://127.0.0.1:2",
             .workers = 1,
             .data = greeting,
             .on_worker_start = on_worker_start,
             .on_request = on_request,
             .on_close =
                 [](crew_conn *conn, int reason) {
                     crew_log(CREW_LOG_NOTICE, "cpp: %s closed, %s", crew_conn_service(conn),
                              crew_close_reason_name(reason));
                 },
         })
