/* SPDX-License-Identifier: MIT
 *
 * The app of the tests of requests as things of their own: names that outlive them, what hangs
 * on them, what can be done with one that is answered, trailers, an announced close.
 */
#include <crewman.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAITING_MAX 16

/* Requests that wait for /release, by their ids. */
static uint64_t waiting[WAITING_MAX];
static unsigned waiting_count;
static uint64_t answered_id;

static int reply_text(crew_request *request, const char *text) {
    return crew_reply(request, 200, "text/plain", text, strlen(text));
}

static void on_data_end(void *data) {
    crew_log(CREW_LOG_NOTICE, "exchange: end of %s", (const char *)data);
    free(data);
}

static void hang_on(crew_request *request, const char *text) {
    crew_request_set_data(request, strdup(text), on_data_end);
}

static void wait(crew_request *request) {
    if (waiting_count < WAITING_MAX)
        waiting[waiting_count++] = crew_request_id(request);
    crew_log(CREW_LOG_NOTICE, "exchange: %u wait", waiting_count);
}

/* Those that still are there get their own path as the answer. */
static void release(crew_request *request) {
    char text[64];
    unsigned found = 0;
    for (unsigned i = 0; i < waiting_count; i++) {
        crew_request *other = crew_request_find(waiting[i]);
        if (!other)
            continue;
        found++;
        reply_text(other, crew_request_path(other));
        if (crew_request_find(waiting[i]))
            abort();
    }
    snprintf(text, sizeof(text), "%u of %u", found, waiting_count);
    waiting_count = 0;
    reply_text(request, text);
}

/* An answered request in the callback that answered it. */
static void look_behind(crew_conn *conn, crew_request *request) {
    uint64_t id = crew_request_id(request);
    const char *before = crew_request_header(request, "x-word");
    reply_text(request, "answered");
    int results[] = {
        crew_reply(request, 200, NULL, "", 0),    crew_reply_begin(request, 200, NULL),
        crew_reply_write(request, "x", 1),        crew_reply_end(request),
        crew_reply_header(request, "X", "y"),     crew_reply_redirect(request, 302, "/"),
        crew_reply_file(request, "/dev/null"),    crew_reply_close(request),
        crew_handshake_protocol(request, "chat"), crew_session_set(request, "a", "b")};
    unsigned refused = 0;
    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++)
        refused += results[i] == CREW_ESTATE;
    crew_log(CREW_LOG_NOTICE,
             "exchange: %u refused, found %d, its conn %d, current %d, %s %s %s", refused,
             crew_request_find(id) != NULL, crew_request_conn(request) == conn,
             crew_conn_request(conn) != NULL, crew_request_path(request), before,
             crew_request_header(request, "x-word"));
    answered_id = id;
}

static int add_line(const char *name, const char *value, void *arg) {
    char *text = arg;
    size_t len = strlen(text);
    snprintf(text + len, 1000 - len, "%s=%s;", name, value);
    return 0;
}

static void show_trailers(crew_request *request) {
    char text[1000] = "";
    const char *sum = crew_request_trailer(request, "x-sum");
    crew_request_each_trailer(request, add_line, text);
    size_t len = strlen(text);
    snprintf(text + len, sizeof(text) - len, "|%s|%s", sum ? sum : "none",
             crew_request_header(request, "x-sum") ? "merged" : "apart");
    reply_text(request, text);
}

static void show_ids(crew_conn *conn, crew_request *request) {
    char text[128];
    uint64_t id = crew_request_id(request);
    snprintf(text, sizeof(text), "%llu %d %d %d %d", (unsigned long long)id,
             crew_request_id(request) == id, crew_request_find(id) == request,
             crew_request_find(crew_conn_id(conn)) == NULL && crew_conn_find(id) == NULL,
             answered_id == 0 || crew_request_find(answered_id) == NULL);
    answered_id = id;
    reply_text(request, text);
}

static void answer(crew_conn *conn, crew_request *request) {
    const char *path = crew_request_path(request);
    if (strcmp(path, "/ids") == 0) {
        show_ids(conn, request);
    } else if (strncmp(path, "/wait", 5) == 0) {
        hang_on(request, path);
        wait(request);
    } else if (strcmp(path, "/release") == 0) {
        release(request);
    } else if (strcmp(path, "/behind") == 0) {
        look_behind(conn, request);
    } else if (strcmp(path, "/data") == 0) {
        hang_on(request, "first");
        hang_on(request, "second");
        reply_text(request, crew_request_data(request));
        crew_log(CREW_LOG_NOTICE, "exchange: answered");
    } else if (strcmp(path, "/trailers") == 0) {
        show_trailers(request);
    } else if (strcmp(path, "/close") == 0) {
        crew_reply_close(request);
        reply_text(request, "bye");
    } else if (strcmp(path, "/close-stream") == 0) {
        crew_reply_close(request);
        crew_reply_begin(request, 200, "text/plain");
        crew_log(CREW_LOG_NOTICE, "exchange: late %s",
                 crew_strerror(crew_reply_close(request)));
        crew_reply_write(request, "bye", 3);
        crew_reply_end(request);
    } else {
        reply_text(request, "ok");
    }
}

#ifdef EXCHANGE_ON_BODY
static void on_request(crew_conn *conn, crew_request *request) {
    if (strcmp(crew_request_path(request), "/trailers") != 0)
        answer(conn, request);
}

static void on_body(crew_conn *conn, crew_request *request, const char *data, size_t len,
                    int is_last) {
    (void)conn;
    (void)data;
    (void)len;
    if (is_last)
        show_trailers(request);
    else if (crew_request_trailer(request, "x-sum"))
        abort();
}
#define ON_REQUEST on_request
#define ON_BODY    on_body
#else
#define ON_REQUEST answer
#define ON_BODY    NULL
#endif

CREW_APP({
    .name = "probe",
    .on_request = ON_REQUEST,
    .on_body = ON_BODY,
})
