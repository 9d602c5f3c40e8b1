/* SPDX-License-Identifier: MIT
 *
 * Cookie sessions by path: /get, /set, /del, /clear, /login, /id, /all, /slow (as /set,
 * answered when the file &go= is there), /wrong (with an answer that is refused first), with
 * ?name= and &value=; and /json, which gives a body back in an object.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crewman.h>
#include <crewman/json.h>

static void answer(crew_conn *conn, int status, const char *text) {
    int error = crew_reply(conn, status, "text/plain", text, strlen(text));
    if (error < 0 && crew_conn_request(conn)) {
        text = crew_strerror(error);
        crew_reply(conn, 500, "text/plain", text, strlen(text));
    }
}

static void answer_result(crew_conn *conn, int result) {
    answer(conn, result < 0 ? 409 : 200, result < 0 ? crew_strerror(result) : "ok");
}

/* An answer that waits until there is a file. */
struct later {
    crew_id id;
    char go[200];
};

static void look(crew_timer timer, void *arg) {
    struct later *later = arg;
    crew_conn *conn = crew_conn_find(later->id);
    FILE *go = fopen(later->go, "r");
    if (!go && conn)
        return;
    if (go)
        fclose(go);
    if (conn && crew_conn_request(conn))
        answer(conn, 200, "at last");
    crew_timer_del(timer);
    free(later);
}

static void answer_later(crew_conn *conn, crew_request *request) {
    struct later *later = calloc(1, sizeof(*later));
    if (!later)
        return;
    later->id = crew_conn_id(conn);
    snprintf(later->go, sizeof(later->go), "%s", crew_request_query(request, "go"));
    crew_timer_add(10, look, later);
}

static int gather(const char *name, const char *value, void *arg) {
    char *text = arg;
    snprintf(text + strlen(text), 1000 - strlen(text), "%s=%s;", name, value);
    return 0;
}

static void answer_json(crew_conn *conn, crew_request *request) {
    json_error_t error;
    json_t *body = crew_request_json(request, &error);
    json_t *reply = body ? json_pack("{s:o}", "got", body)
                         : json_pack("{s:s, s:i}", "error", error.text, "line", error.line);
    crew_reply_json(conn, body ? 200 : 400, reply);
    json_decref(reply);
}

static void on_request(crew_conn *conn, crew_request *request) {
    const char *path = crew_request_path(request);
    const char *name = crew_request_query(request, "name");
    const char *value = crew_request_query(request, "value");
    char text[1000] = "";
    if (strcmp(path, "/get") == 0) {
        value = crew_session_get(request, name);
        answer(conn, value ? 200 : 404, value ? value : "none");
    } else if (strcmp(path, "/set") == 0) {
        answer_result(conn, crew_session_set(request, name, value));
    } else if (strcmp(path, "/fill") == 0) {
        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        answer_result(conn, crew_session_set(request, name, text));
    } else if (strcmp(path, "/del") == 0) {
        answer_result(conn, crew_session_del(request, name));
    } else if (strcmp(path, "/clear") == 0) {
        answer_result(conn, crew_session_clear(request));
    } else if (strcmp(path, "/login") == 0) {
        crew_session_set(request, "user", name);
        answer_result(conn, crew_session_regenerate(request));
    } else if (strcmp(path, "/id") == 0) {
        answer(conn, 200, crew_session_id(request));
    } else if (strcmp(path, "/all") == 0) {
        crew_session_each(request, gather, text);
        answer(conn, 200, text);
    } else if (strcmp(path, "/slow") == 0) {
        crew_session_set(request, name, value);
        if (crew_request_query(request, "login"))
            crew_session_regenerate(request);
        answer_later(conn, request);
    } else if (strcmp(path, "/wrong") == 0) {
        crew_session_set(request, name, value);
        int result = crew_reply(conn, 200, "no\ntype", "", 0);
        answer_result(conn,
                      result == CREW_EINVAL ? crew_session_set(request, name, "again") : 0);
    } else if (strcmp(path, "/late") == 0) {
        crew_reply_begin(conn, 200, "text/plain");
        int result = crew_session_set(request, name, value);
        crew_reply_write(conn, crew_strerror(result), strlen(crew_strerror(result)));
        crew_reply_end(conn);
    } else {
        answer_json(conn, request);
    }
}

static void on_message(crew_conn *conn, const crew_msg *msg) {
    json_t *value = crew_msg_json(msg, NULL);
    if (crew_conn_send_json(conn, value) < 0)
        crew_conn_send_text(conn, "no JSON", 7);
    json_decref(value);
}

static int on_handshake(crew_conn *conn, crew_request *request) {
    (void)conn;
    return crew_session_get(request, "user") ? 0 : 401;
}

CREW_APP({
    .name = "probe",
    .on_request = on_request,
    .on_message = on_message,
    .on_handshake = on_handshake,
})
