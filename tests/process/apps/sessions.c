/* SPDX-License-Identifier: MIT
 *
 * Cookie sessions by path: /get, /set, /del, /clear, /login, /id, /all, /slow (as /set,
 * answered when the file &go= is there), /wrong (with an answer that is refused first), /deaf
 * (as /set, whatever becomes of the answer), with ?name= and &value=; and /json, which gives a
 * body back in an object.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crewman.h>
#include <crewman/json.h>

static void answer(crew_request *request, int status, const char *text) {
    int error = crew_reply(request, status, "text/plain", text, strlen(text));
    if (error < 0) {
        text = crew_strerror(error);
        crew_reply(request, 500, "text/plain", text, strlen(text));
    }
}

static void answer_result(crew_request *request, int result) {
    answer(request, result < 0 ? 409 : 200, result < 0 ? crew_strerror(result) : "ok");
}

/* An answer that waits until there is a file. */
struct later {
    uint64_t id;
    char go[200];
};

static void look(crew_timer timer, void *arg) {
    struct later *later = arg;
    crew_request *request = crew_request_find(later->id);
    FILE *go = fopen(later->go, "r");
    if (!go && request)
        return;
    if (go)
        fclose(go);
    if (request)
        answer(request, 200, "at last");
    crew_timer_del(timer);
    free(later);
}

static void answer_later(crew_request *request) {
    struct later *later = calloc(1, sizeof(*later));
    if (!later)
        return;
    later->id = crew_request_id(request);
    snprintf(later->go, sizeof(later->go), "%s", crew_request_query(request, "go"));
    crew_timer_add(10, look, later);
}

static int gather(const char *name, const char *value, void *arg) {
    char *text = arg;
    snprintf(text + strlen(text), 1000 - strlen(text), "%s=%s;", name, value);
    return 0;
}

static void answer_json(crew_request *request) {
    json_error_t error;
    json_t *body = crew_request_json(request, &error);
    json_t *reply = body ? json_pack("{s:o}", "got", body)
                         : json_pack("{s:s, s:i}", "error", error.text, "line", error.line);
    crew_reply_json(request, body ? 200 : 400, reply);
    json_decref(reply);
}

static void on_request(crew_conn *conn, crew_request *request) {
    (void)conn;
    const char *path = crew_request_path(request);
    const char *name = crew_request_query(request, "name");
    const char *value = crew_request_query(request, "value");
    char text[1000] = "";
    if (strcmp(path, "/get") == 0) {
        value = crew_session_get(request, name);
        answer(request, value ? 200 : 404, value ? value : "none");
    } else if (strcmp(path, "/set") == 0) {
        answer_result(request, crew_session_set(request, name, value));
    } else if (strcmp(path, "/fill") == 0) {
        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        answer_result(request, crew_session_set(request, name, text));
    } else if (strcmp(path, "/del") == 0) {
        answer_result(request, crew_session_del(request, name));
    } else if (strcmp(path, "/clear") == 0) {
        answer_result(request, crew_session_clear(request));
    } else if (strcmp(path, "/login") == 0) {
        crew_session_set(request, "user", name);
        answer_result(request, crew_session_regenerate(request));
    } else if (strcmp(path, "/id") == 0) {
        answer(request, 200, crew_session_id(request));
    } else if (strcmp(path, "/all") == 0) {
        crew_session_each(request, gather, text);
        answer(request, 200, text);
    } else if (strcmp(path, "/slow") == 0) {
        crew_session_set(request, name, value);
        if (crew_request_query(request, "login"))
            crew_session_regenerate(request);
        answer_later(request);
    } else if (strcmp(path, "/wrong") == 0) {
        crew_session_set(request, name, value);
        int result = crew_reply(request, 200, "no\ntype", "", 0);
        answer_result(request,
                      result == CREW_EINVAL ? crew_session_set(request, name, "again") : 0);
    } else if (strcmp(path, "/deaf") == 0) {
        crew_session_set(request, name, value);
        crew_reply(request, 200, "text/plain", "ok", 2);
    } else if (strcmp(path, "/late") == 0) {
        crew_reply_begin(request, 200, "text/plain");
        int result = crew_session_set(request, name, value);
        crew_reply_write(request, crew_strerror(result), strlen(crew_strerror(result)));
        crew_reply_end(request);
    } else {
        answer_json(request);
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
