/* SPDX-License-Identifier: MIT
 *
 * An app that does anything at any time: in each callback a few calls of the API, drawn by lot
 * (CHAOS_SEED), on this connection or another. What crewman.h promises about callbacks is
 * checked all the while; a promise that is broken ends the process with a line in the log.
 */
#include <crewman.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define IDS       256u
#define TIMERS    32u
#define TEXT_MAX  120000u
#define DEPTH_MAX 3

#define CHECK(holds)                                                                           \
    do {                                                                                       \
        if (!(holds)) {                                                                        \
            crew_log(CREW_LOG_ERROR, "chaos: line %d: not so: %s", __LINE__, #holds);          \
            abort();                                                                           \
        }                                                                                      \
    } while (0)

/* What we know of a connection between its on_connect and its on_close. */
struct known {
    struct known *next;
    crew_id id;
    bool is_open, is_closing, is_paused, is_full, has_last_piece;
};

static struct known *all;
static size_t all_count;
static crew_id recent[IDS];
static unsigned recent_count;
static crew_timer timers[TIMERS];
static char text[TEXT_MAX];
static uint64_t lot = 88172645463325252u;
static bool is_decoding;

static unsigned draw(unsigned below) {
    lot ^= lot << 13;
    lot ^= lot >> 7;
    lot ^= lot << 17;
    return (unsigned)((lot >> 16) % below);
}

static struct known *find(const crew_conn *conn) {
    for (struct known *known = all; known; known = known->next)
        if (known->id == crew_conn_id(conn))
            return known;
    return NULL;
}

static struct known *get(const crew_conn *conn) {
    struct known *known = find(conn);
    CHECK(known);
    return known;
}

/* In a callback that says how things are with this connection. */
static struct known *enter(const crew_conn *conn) {
    CHECK(all_count == crew_conn_count());
    return get(conn);
}

static void act(crew_conn *conn, int depth);

/* -- looking at everything */

static int visit_texts(const char *name, const char *value, void *arg) {
    (void)arg;
    CHECK(name && value);
    return draw(20) == 0;
}

static int visit_field(const char *name, const char *value, size_t len, void *arg) {
    (void)arg;
    CHECK(name && value && value[len] == '\0');
    return draw(20) == 0;
}

static void look_at_files(crew_request *request) {
    struct crew_file file;
    char bytes[64];
    for (size_t i = 0; crew_request_file(request, NULL, i, &file) == 0; i++)
        CHECK(crew_file_read(&file, 0, bytes, sizeof(bytes)) >= 0);
}

static void use_session(crew_request *request) {
    crew_session_get(request, "x");
    switch (draw(6)) {
    case 0:
        crew_session_regenerate(request);
        break;
    case 1:
        crew_session_clear(request);
        break;
    case 2:
        crew_session_del(request, "x");
        break;
    default:
        crew_session_set(request, "x", "yyy");
        break;
    }
    crew_session_each(request, visit_texts, NULL);
    CHECK(crew_session_id(request));
}

static void look_at_request(crew_request *request) {
    size_t len = 1;
    CHECK(crew_request_method(request) && crew_request_target(request));
    CHECK(crew_request_path(request) && crew_request_query_string(request));
    CHECK(crew_request_header(request, "cookie") == crew_request_header(request, "cookie"));
    crew_request_query(request, "a");
    crew_request_cookie(request, "CREWSID");
    crew_request_form(request, "a");
    crew_request_each_header(request, visit_texts, NULL);
    crew_request_each_trailer(request, visit_texts, NULL);
    crew_request_each_field(request, visit_field, NULL);
    CHECK(crew_request_body(request, &len));
    look_at_files(request);
    if (draw(3) == 0)
        use_session(request);
}

static void look(crew_conn *conn) {
    struct crew_conn_stats stats;
    struct crew_addr addr;
    crew_request *request = crew_conn_request(conn);
    crew_conn_peer(conn, &addr);
    crew_conn_local(conn, &addr);
    crew_conn_stats(conn, &stats);
    crew_conn_close_code(conn);
    if (request)
        look_at_request(request);
}

/* -- doing anything */

static int visit(crew_conn *conn, void *arg) {
    (void)arg;
    CHECK(find(conn));
    if (draw(4) == 0)
        act(conn, 1);
    return draw(40) == 0;
}

static void tick(crew_timer timer, void *arg) {
    crew_conn *conn = crew_conn_find((crew_id)(uintptr_t)arg);
    if (!conn || draw(3) == 0)
        crew_timer_del(timer);
    if (!conn)
        return;
    get(conn)->is_paused = false;
    crew_conn_resume(conn);
    act(conn, 0);
}

static void set_timer(crew_conn *conn, uint64_t ms, bool is_once) {
    unsigned which = draw(TIMERS);
    void *arg = (void *)(uintptr_t)crew_conn_id(conn);
    if (timers[which])
        crew_timer_del(timers[which]);
    timers[which] =
        is_once ? crew_timer_add_once(ms, tick, arg) : crew_timer_add(ms + 1, tick, arg);
}

static void pause_a_while(crew_conn *conn) {
    if (is_decoding) /* it would begin behind this message */
        return;
    get(conn)->is_paused = true;
    crew_conn_pause(conn);
    crew_timer_add_once(draw(100), tick, (void *)(uintptr_t)crew_conn_id(conn));
}

static void end(crew_conn *conn, unsigned how) {
    struct known *known = get(conn);
    if (how == 0)
        crew_conn_destroy(conn);
    else if (how == 1)
        crew_conn_close(conn);
    else if (crew_conn_close_with(conn, (int)draw(5000), draw(2) ? "why" : NULL) != 0)
        return;
    known->is_closing = true;
}

static void send_some(crew_conn *conn, size_t len) {
    static int (*const ways[])(crew_conn *, const void *, size_t) = {
        crew_conn_send, crew_conn_send_text, crew_conn_send_binary};
    int result = ways[draw(3)](conn, text, len);
    /* Unless on_buffer_full has ended it. */
    CHECK(result != CREW_QUEUED || get(conn)->is_full || get(conn)->is_closing);
}

static void answer(crew_request *request, size_t len) {
    static const struct crew_sse event = {.event = "e", .data = "a\nb", .retry_ms = 5};
    static const struct crew_cookie cookie = {.name = "k", .value = "v", .max_age = -1};
    static const char *const paths[] = {"/proc/self/exe", "/nowhere", "/", "/dev/null"};
    switch (draw(10)) {
    case 9:
        crew_reply_close(request);
        break;
    case 0:
        crew_reply_begin(request, 200, draw(2) ? "text/event-stream" : NULL);
        break;
    case 1:
        crew_reply_write(request, text, len);
        break;
    case 2:
        crew_reply_end(request);
        break;
    case 3:
        crew_reply_sse(request, &event);
        break;
    case 4:
        crew_reply_file(request, paths[draw(4)]);
        break;
    case 5:
        crew_reply_redirect(request, (int)(300 + draw(10)), "/x");
        break;
    case 6:
        crew_reply_header(request, draw(2) ? "X-A" : "Content-Type", draw(5) ? "v" : "v\r\nx");
        break;
    case 7:
        crew_reply_cookie(request, &cookie);
        break;
    default:
        crew_reply(request, (int)(draw(10) ? 200 : draw(700)), "text/plain", text, len);
        break;
    }
}

/* The request that is in a callback's hand, answered or not, or that which waits. */
static crew_request *in_hand;

static void answer_any(crew_conn *conn, size_t len) {
    answer(in_hand && draw(2) ? in_hand : crew_conn_request(conn), len);
}

static void do_one(crew_conn *conn, int depth) {
    size_t len = draw(8) == 0 ? draw(sizeof(text)) : draw(300);
    switch (draw(16)) {
    case 0:
        end(conn, draw(3));
        break;
    case 1:
        pause_a_while(conn);
        break;
    case 2:
        get(conn)->is_paused = false;
        crew_conn_resume(conn);
        break;
    case 3:
        crew_handshake_protocol(crew_conn_request(conn), draw(2) ? "chat" : "soap");
        break;
    case 4:
        if (depth < 2)
            crew_conn_each(visit, NULL);
        break;
    case 5:
        set_timer(conn, draw(100), draw(2) == 0);
        break;
    case 6:
        crew_conn_set_data(conn, malloc(8), free);
        break;
    case 7:
    case 8:
    case 9:
        send_some(conn, len);
        break;
    case 10:
    case 11:
        look(conn);
        break;
    default:
        answer_any(conn, len);
        break;
    }
}

static void act(crew_conn *conn, int depth) {
    crew_conn *other = draw(4) == 0 ? crew_conn_find(recent[draw(IDS)]) : NULL;
    do_one(other ? other : conn, depth);
    if (depth < DEPTH_MAX && draw(2) == 0)
        act(conn, depth + 1);
}

/* -- the callbacks, and what they may count on */

static int on_worker_start(const struct crew_service_ref *service) {
    const char *seed = getenv("CHAOS_SEED");
    (void)service;
    lot ^= (seed ? strtoull(seed, NULL, 10) : 1) * 0x9E3779B97F4A7C15u;
    memset(text, 'x', sizeof(text));
    return 0;
}

static void on_worker_drain(const struct crew_service_ref *service, int reason) {
    CHECK(strcmp(service->name, crew_worker_service()) == 0);
    CHECK(reason == CREW_CLOSE_RELOAD || reason == CREW_CLOSE_SHUTDOWN);
    crew_conn_each(visit, NULL);
}

static void on_worker_stop(const struct crew_service_ref *service) {
    CHECK(strcmp(service->name, crew_worker_service()) == 0);
    crew_conn_each(visit, NULL);
}

static void on_connect(crew_conn *conn) {
    struct known *known = calloc(1, sizeof(*known));
    CHECK(known && !find(conn));
    *known = (struct known){.next = all, .id = crew_conn_id(conn)};
    all = known;
    all_count++;
    recent[recent_count++ % IDS] = known->id;
    CHECK(crew_conn_find(known->id) == conn && all_count == crew_conn_count());
    if (draw(4) == 0)
        act(conn, 0);
}

static void on_open(crew_conn *conn) {
    struct known *known = enter(conn);
    CHECK(!known->is_open);
    known->is_open = true;
    if (draw(3) == 0)
        act(conn, 0);
}

static void on_message(crew_conn *conn, const crew_msg *msg) {
    const struct known *known = enter(conn);
    CHECK(known->is_open && !known->is_closing && !known->is_paused);
    CHECK(msg->data);
    memset(msg->data, 'y', msg->len);
    act(conn, 0);
}

static void on_error(crew_conn *conn, int error, const char *words) {
    enter(conn);
    CHECK(error < 0 && words);
    act(conn, 0);
}

static void on_close(crew_conn *conn, int reason) {
    struct known *known = get(conn), **link = &all;
    CHECK(strcmp(crew_close_reason_name(reason), "unknown") != 0);
    CHECK(crew_conn_send(conn, "x", 1) == CREW_ECLOSED);
    look(conn);
    if (draw(3) == 0)
        crew_conn_each(visit, NULL);
    while (*link != known)
        link = &(*link)->next;
    *link = known->next;
    free(known);
    all_count--;
}

static void on_buffer_full(crew_conn *conn) {
    struct known *known = get(conn);
    CHECK(!known->is_full);
    known->is_full = true;
    act(conn, 1);
}

static void on_buffer_drain(crew_conn *conn) {
    struct known *known = enter(conn);
    CHECK(known->is_full);
    known->is_full = false;
    act(conn, 0);
}

/* A request can be read to the end of its callback, whatever has become of it. */
static void act_on(crew_conn *conn, crew_request *request) {
    look_at_request(request);
    uint64_t id = crew_request_id(request);
    CHECK(id && crew_request_find(id) == request && crew_request_conn(request) == conn);
    if (draw(4) == 0)
        crew_request_set_data(request, malloc(8), free);
    in_hand = request;
    act(conn, 0);
    in_hand = NULL;
    look_at_request(request);
    crew_request *found = crew_request_find(id);
    CHECK((!found || found == request) && crew_request_id(request) == id);
}

static void on_request(crew_conn *conn, crew_request *request) {
    struct known *known = enter(conn);
    CHECK(crew_conn_request(conn) == request && !known->is_paused);
    known->has_last_piece = false;
    act_on(conn, request);
}

#ifdef CHAOS_BODY
static void on_body(crew_conn *conn, crew_request *request, const char *data, size_t len,
                    int is_last) {
    struct known *known = enter(conn);
    CHECK(crew_conn_request(conn) == request && data);
    CHECK(!known->has_last_piece && !known->is_paused);
    known->has_last_piece = is_last;
    CHECK((len > 0) == !is_last);
    act_on(conn, request);
}
#endif

static int on_handshake(crew_conn *conn, crew_request *request) {
    enter(conn);
    CHECK(crew_conn_request(conn) == request);
    act_on(conn, request);
    return draw(8) == 0 ? 400 + (int)draw(200) : 0;
}

static void on_ping_pong(crew_conn *conn, const crew_msg *payload) {
    const struct known *known = enter(conn);
    CHECK(known->is_open && payload->len <= 125);
    act(conn, 0);
}

#ifdef CHAOS_OWN
/* A letter, a length, and so many bytes. */
static ptrdiff_t input(crew_conn *conn, const char *data, size_t len) {
    CHECK(len > 0);
    if (draw(20) == 0)
        act(conn, 0);
    if (data[0] == '!')
        return -1;
    return len < 2 ? 0 : 2 + (ptrdiff_t)(unsigned char)data[1];
}

static int decode(crew_conn *conn, char *package, size_t len, crew_msg *message) {
    is_decoding = true;
    if (draw(20) == 0)
        act(conn, 0);
    is_decoding = false;
    message->data = package + 2;
    message->len = len - 2;
    return draw(20) == 0 ? (int)draw(3) - 1 : 0;
}

static int encode(crew_conn *conn, const void *data, size_t len, enum crew_msg_type type,
                  crew_out *out) {
    (void)type;
    if (draw(40) == 0)
        act(conn, DEPTH_MAX);
    if (draw(20) == 0)
        return draw(2) ? CREW_EINVAL : 0;
    crew_out_add(out, "#", 1);
    return crew_out_add(out, data, len);
}

static void on_protocol(crew_conn *conn) {
    memset(crew_protocol_state(conn), 1, 64);
}

static const struct crew_protocol own = {.name = "own",
                                         .state_size = 64,
                                         .input = input,
                                         .decode = decode,
                                         .encode = encode,
                                         .on_connect = on_protocol,
                                         .on_close = on_protocol};
#endif

CREW_APP({
    .name = "probe",
    .on_worker_start = on_worker_start,
    .on_worker_stop = on_worker_stop,
    .on_worker_drain = on_worker_drain,
    .on_connect = on_connect,
    .on_open = on_open,
    .on_close = on_close,
    .on_error = on_error,
    .on_buffer_full = on_buffer_full,
    .on_buffer_drain = on_buffer_drain,
    .on_request = on_request,
#ifdef CHAOS_BODY
    .on_body = on_body,
#endif
    .on_message = on_message,
    .on_handshake = on_handshake,
    .on_ping = on_ping_pong,
    .on_pong = on_ping_pong,
#ifdef CHAOS_OWN
    .protocol = &own,
#endif
})
