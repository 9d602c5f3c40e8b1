/* SPDX-License-Identifier: MIT
 *
 * An app for test_abi.py, which compiles it with headers that lack a field or have one more. It
 * looks behind each struct that the worker fills, and answers what it found as text. A header
 * with a longer struct defines ADDED_<struct>, the size of its new and last member `added`.
 */
#include <crewman.h>
#include <stdio.h>
#include <string.h>

#define GUARD_BYTES 64

/* A struct for the worker to fill, with bytes behind it that are nobody's. */
#define GUARDED(type, name)                                                                    \
    struct {                                                                                   \
        struct type it;                                                                        \
        unsigned char guard[GUARD_BYTES];                                                      \
    } name;                                                                                    \
    memset(&name, 0xa5, sizeof(name))

#ifndef ADDED_crew_cookie
#define ADDED_crew_cookie 0
#endif
#ifndef ADDED_crew_sse
#define ADDED_crew_sse 0
#endif

/* A struct for the worker to read, which is to look neither at what is new nor at what is
 * behind it: as a number that is positive, and too large for an enum. */
#define FILLED(type, name, ...)                                                                \
    struct {                                                                                   \
        struct type it;                                                                        \
        unsigned char guard[GUARD_BYTES];                                                      \
    } name = {{__VA_ARGS__}, {0}};                                                             \
    memset((unsigned char *)&name + sizeof(name.it) - ADDED_##type, 0x5a,                      \
           ADDED_##type + GUARD_BYTES)

static char found[512];

static void check(int is_right, const char *what) {
    if (!is_right)
        snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s; ", what);
}

static int is_all(const void *bytes, size_t len, unsigned char value) {
    const unsigned char *at = (const unsigned char *)bytes;
    while (len > 0 && *at == value) {
        at++;
        len--;
    }
    return len == 0;
}

static void check_stats(crew_conn *conn) {
    GUARDED(crew_conn_stats, stats);
    crew_conn_stats(conn, &stats.it);
    check(is_all(stats.guard, GUARD_BYTES, 0xa5), "stats: written behind");
    check(stats.it.bytes_in > 0 && stats.it.bytes_in < 100000, "stats: bytes_in");
    check(stats.it.rtt_ms == -1, "stats: rtt_ms");
#ifdef ADDED_crew_conn_stats
    check(is_all(stats.it.added, sizeof(stats.it.added), 0), "stats: what is new is not 0");
#endif
}

static void check_addr(crew_conn *conn) {
    GUARDED(crew_addr, peer);
    GUARDED(crew_addr, local);
    crew_conn_peer(conn, &peer.it);
    crew_conn_local(conn, &local.it);
    check(is_all(peer.guard, GUARD_BYTES, 0xa5), "peer: written behind");
    check(is_all(local.guard, GUARD_BYTES, 0xa5), "local: written behind");
    check(peer.it.family == CREW_ADDR_IPV4 && peer.it.port > 0, "peer: family, port");
    check(local.it.family == CREW_ADDR_IPV4 && local.it.port > 0, "local: family, port");
#ifdef ADDED_crew_addr
    check(is_all(peer.it.added, sizeof(peer.it.added), 0), "peer: what is new is not 0");
    check(is_all(local.it.added, sizeof(local.it.added), 0), "local: what is new is not 0");
#endif
}

static void check_file(crew_request *request) {
    char text[16] = {0};
    GUARDED(crew_file, file);
    check(crew_request_file(request, "f", 0, &file.it) == 0, "file: none");
    check(is_all(file.guard, GUARD_BYTES, 0xa5), "file: written behind");
    check(file.it.size == 5 && file.it.fd == -1, "file: size, fd");
    check(crew_file_read(&file.it, 0, text, sizeof(text)) == 5, "file: read");
    check(strcmp(text, "hello") == 0, "file: what was read");
#ifdef ADDED_crew_file
    check(is_all(file.it.added, sizeof(file.it.added), 0), "file: what is new is not 0");
#endif
}

static void check_cookie(crew_request *request) {
    FILLED(crew_cookie, cookie, .name = "a", .value = "b");
    check(crew_reply_cookie(request, &cookie.it) == 0, "cookie: refused");
}

static void check_event(crew_request *request) {
    FILLED(crew_sse, event, .event = "e", .data = "d");
    crew_reply_begin(request, 200, "text/event-stream");
    check(crew_reply_sse(request, &event.it) >= 0, "event: refused");
    crew_reply_write(request, found, strlen(found));
    crew_reply_end(request);
}

static void on_request(crew_conn *conn, crew_request *request) {
    found[0] = '\0';
    if (strcmp(crew_request_path(request), "/event") == 0) {
        check_event(request);
        return;
    }
    check_stats(conn);
    check_addr(conn);
    check_file(request);
    check_cookie(request);
    crew_reply(request, 200, "text/plain", found, strlen(found));
}

static void on_message(crew_conn *conn, const crew_msg *msg) {
    found[0] = '\0';
    check(msg->len == 5 && memcmp(msg->data, "hello", 5) == 0, "msg: data");
#ifdef ADDED_crew_msg
    check(!CREW_HAS(msg, added), "msg: has what is new");
    check(CREW_HAS(msg, len) && CREW_HAS(msg, size), "msg: has not what is old");
#endif
    crew_conn_send(conn, found, strlen(found));
}

static int on_worker_start(const struct crew_service_ref *service) {
    int is_right = strcmp(service->name, "web") == 0 && service->slot == 0 &&
                   service->data == found && CREW_HAS(service, name);
#ifdef ADDED_crew_service_ref
    is_right = is_right && !CREW_HAS(service, added);
#endif
    return is_right ? 0 : CREW_EINVAL;
}

static ptrdiff_t input(crew_conn *conn, const char *data, size_t len) {
    (void)conn;
    (void)data;
    return len < 5 ? 0 : 5;
}

static int decode(crew_conn *conn, char *package, size_t len, crew_msg *message) {
    crew_msg whole = {.data = package, .len = len, .type = CREW_MSG_BINARY};
    (void)conn;
    *message = whole; /* longer than the worker's, when the header is newer */
    return 0;
}

static int encode(crew_conn *conn, const void *data, size_t len, enum crew_msg_type type,
                  crew_out *out) {
    (void)conn;
    (void)type;
    crew_out_add(out, data, len);
    return crew_out_add(out, ".", 1);
}

/* A callback that is read from behind it would be called, and end the worker. */
static const struct {
    struct crew_protocol it;
    unsigned char guard[GUARD_BYTES];
} five = {
    {.name = "five", .state_size = 8, .input = input, .decode = decode, .encode = encode},
    {[0 ... GUARD_BYTES - 1] = 0x5a},
};

CREW_APP({.name = "web",
          .listen = "websocket://127.0.0.1:1",
          .workers = 1,
          .data = found,
          .on_worker_start = on_worker_start,
          .on_message = on_message,
          .on_request = on_request},
         {.name = "own",
          .listen = "tcp://127.0.0.1:2",
          .workers = 1,
          .protocol = &five.it,
          .on_message = on_message})
