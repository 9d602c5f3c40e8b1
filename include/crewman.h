/* SPDX-License-Identifier: MIT
 *
 * The whole public API of Crewman for apps. An app is a shared object that exports one
 * descriptor (CREW_APP) naming its services and callbacks; crewman-worker loads it and calls
 * it from one thread, one event loop a process.
 *
 * Rules that hold for every function here:
 *   - It answers 0 or a positive value, or a negative CREW_E… number; a call that fails has no
 *     effect and calls no callback.
 *   - Data given to a callback is borrowed: it is valid until the callback returns.
 *   - Data given to a send is copied before the call returns.
 *   - A crew_conn pointer is valid inside the callbacks of its connection, up to and including
 *     on_close. Anywhere else keep the crew_id and look it up with crew_conn_find().
 *   - A connection or request may be NULL. A function that can answer an error then answers
 *     CREW_ENOENT, another one NULL, 0 or ""; one without an answer does nothing. What it would
 *     fill in is zeroed.
 *   - Nothing here may be called from another thread.
 */
#ifndef CREWMAN_H
#define CREWMAN_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The worker is built with hidden symbols; these are what it exports. */
#pragma GCC visibility push(default)

#define CREW_VERSION "0.1.0"

/* A worker refuses an app with another number. It changes only when what is here changes its
 * meaning: fields are added at the end of a struct, and every struct that passes between app
 * and worker carries its size, so that either may be the newer one. What a side does not know
 * yet is zero to it. The functions that end in _sized are for that; call the ones without. */
#define CREW_ABI   2u
#define CREW_MAGIC 0x43524557u /* "CREW" */

/* In C++ (17 and later) a member that an initialiser leaves out is zero, without a warning. */
#ifdef __cplusplus
#define CREW_UNSET    = {}
#define CREW_EXTERN_C extern "C"
#else
#define CREW_UNSET
#define CREW_EXTERN_C extern
#endif

/* Has a struct that the worker made (it has a `size`) this member? Always true of those that
 * are here; ask for one that came later, when the worker may be older than this header. */
#define CREW_HAS(object, member)                                                               \
    ((object)->size >= (size_t)((const char *)(&(object)->member + 1) - (const char *)(object)))

/* ------------------------------------------------------------------ errors */

/* One space of negative numbers with the system's own: -EINVAL is a possible answer wherever a
 * system call can fail. crew_strerror() names both. */
#define CREW_ERRORS(X)                                                                         \
    X(CLOSED, -5001, "the connection is closing or closed")                                    \
    X(FULL, -5002, "the send buffer is full")                                                  \
    X(INVAL, -5003, "an argument is out of range")                                             \
    X(NOMEM, -5004, "out of memory")                                                           \
    X(NOENT, -5005, "no such object")                                                          \
    X(TOOBIG, -5006, "larger than the limit allows")                                           \
    X(PROTO, -5007, "the peer broke the protocol")                                             \
    X(TIMEOUT, -5008, "a deadline passed")                                                     \
    X(NOTSUP, -5009, "not possible with this protocol")                                        \
    X(STATE, -5010, "not possible at this moment")

enum crew_error {
#define CREW_ERROR_MEMBER(name, number, text) CREW_E##name = (number),
    CREW_ERRORS(CREW_ERROR_MEMBER)
#undef CREW_ERROR_MEMBER
};

/* The text of an error number, never NULL; static storage. */
const char *crew_strerror(int error);

/* ------------------------------------------------------------- connections */

typedef struct crew_conn crew_conn;

/* Names a connection for as long as it lives and never another one after it: keep it instead
 * of a pointer. 0 is no connection. */
typedef uint64_t crew_id;

/* An id as text, for keys and other programs: 16 hexadecimal digits in lower case, as `crewman
 * connections` shows it. Writes CREW_ID_TEXT_SIZE bytes with the NUL and answers out_text. An
 * id is less than 2^63; as a number it is too large for JavaScript. */
#define CREW_ID_TEXT_SIZE 17
const char *crew_id_text(crew_id id, char *out_text);

/* The id of such a text. CREW_EINVAL for any other text, and for that of 0. */
int crew_id_parse(const char *text, crew_id *out_id);

enum crew_msg_type {
    CREW_MSG_TEXT = 1,  /* a WebSocket text message (valid UTF-8), or a line of `text` */
    CREW_MSG_BINARY = 2 /* a WebSocket binary message, a `frame` body, a chunk of `tcp` */
};

/* One message, borrowed until on_message returns. `data` has no terminating NUL; it is not NULL
 * even when `len` is 0. The bytes may be changed in place by the callback. Copy its members,
 * not the struct: the worker may have a shorter one. */
typedef struct crew_msg {
    char *data;
    size_t len;
    enum crew_msg_type type;
    uint32_t size; /* of this struct, as the worker knows it: CREW_HAS() */
} crew_msg;

/* Why a connection ended; the last argument of on_close. */
#define CREW_CLOSE_REASONS(X)                                                                  \
    X(PEER, 1, "peer", "the peer closed it")                                                   \
    X(LOCAL, 2, "local", "the app closed it")                                                  \
    X(HEARTBEAT, 3, "heartbeat", "no sign of life within idle_timeout")                        \
    X(PROTOCOL, 4, "protocol", "the peer broke the protocol")                                  \
    X(LIMIT, 5, "limit", "the peer passed a limit")                                            \
    X(TIMEOUT, 6, "timeout", "a limit of time passed: handshake, message, send or close")      \
    X(IO, 7, "io", "the network reported an error, for example a reset")                       \
    X(RELOAD, 8, "reload", "the worker is being replaced by a new generation")                 \
    X(SHUTDOWN, 9, "shutdown", "the server is stopping")                                       \
    X(MEMORY, 10, "memory",                                                                    \
      "no memory or disk space for its data, or limits.memory was reached")

enum crew_close_reason {
#define CREW_CLOSE_MEMBER(name, number, word, text) CREW_CLOSE_##name = (number),
    CREW_CLOSE_REASONS(CREW_CLOSE_MEMBER)
#undef CREW_CLOSE_MEMBER
};

/* The word of a close reason ("heartbeat"), "unknown" for any other number; static storage. */
const char *crew_close_reason_name(int reason);

/* The answers of a send, beside negative errors. */
enum crew_send_result {
    CREW_SENT = 0,  /* handed to the kernel, or queued below the high-water mark */
    CREW_QUEUED = 1 /* queued, and the queue is over the high-water mark: stop sending until
                       on_buffer_drain */
};

/* Send one message; what is sent in one turn of the loop leaves in one write at its end. It
 * goes in the kind of the last message that this connection received (text before there was
 * one): an echo of a WebSocket binary message is binary. `text` ends the line itself, `frame`
 * adds its header, `tcp` sends the bytes as they are. Over plain HTTP it is the whole answer to
 * the request that waits, as text/html; CREW_ESTATE when none does. Copies data. Before on_open
 * it is kept and sent right after the handshake. Answers CREW_SENT or CREW_QUEUED; CREW_EFULL
 * above the high-water mark when max_send_buffer would be passed (below the mark a message of
 * any size is taken: who stops at CREW_QUEUED never meets it; on_error is not called: the
 * answer is the report), CREW_ECLOSED after a close, CREW_ETOOBIG when the protocol cannot
 * express the length, CREW_EINVAL for NULL with a length, CREW_ENOMEM. Who ignores the answer
 * loses messages to a client that reads slowly: pause the source until on_buffer_drain.
 * Workerman: $connection->send(). */
int crew_conn_send(crew_conn *conn, const void *data, size_t len);

/* The same, as WebSocket text (the caller vouches for UTF-8) or binary. On other protocols both
 * equal crew_conn_send(). Workerman: $connection->websocketType, which was sticky. */
int crew_conn_send_text(crew_conn *conn, const void *data, size_t len);
int crew_conn_send_binary(crew_conn *conn, const void *data, size_t len);

/* One message for many connections: encoded, and compressed, once for each form in which it
 * goes out on the wire, and shared by their send buffers. Copies `data`. With one reference,
 * which is the caller's; NULL without memory, for another `type` and for NULL with a length. */
typedef struct crew_frame crew_frame;
crew_frame *crew_frame_new(const void *data, size_t len, enum crew_msg_type type);

/* One reference more, and one less: with the last it is freed. What is sent holds references of
 * its own. NULL is allowed. */
crew_frame *crew_frame_ref(crew_frame *frame);
void crew_frame_unref(crew_frame *frame);

/* Send the message of a frame, in the kind that it was made with; the frame is borrowed.
 * Answers as crew_conn_send(), CREW_ENOENT for a frame that is NULL. Workerman has no equal: a
 * broadcast is a loop over $worker->connections there. */
int crew_conn_send_frame(crew_conn *conn, crew_frame *frame);

/* A formatted message, as crew_conn_send_text(). CREW_EINVAL for a format that cannot be
 * followed. */
int crew_conn_sendf(crew_conn *conn, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Close politely: what was sent goes out first, then the protocol's own goodbye (WebSocket: a
 * close frame 1000, and the peer's answer is awaited), then the socket is closed. Bounded by
 * limits.close_timeout. No on_message follows. on_close comes later with CREW_CLOSE_LOCAL,
 * never from inside this call. Harmless when already closing. Workerman: $connection->close().
 */
void crew_conn_close(crew_conn *conn);

/* The same with a WebSocket close code (1000–1003, 1007–1014 or 3000–4999) and a reason of at
 * most 123 bytes of UTF-8, NULL for none. CREW_EINVAL for any other code or a longer reason. On
 * other protocols the code is ignored. RFC 6455 section 7.4. */
int crew_conn_close_with(crew_conn *conn, int code, const char *reason);

/* Close at once: what is queued is dropped, no goodbye. on_close comes after the current
 * callback has returned. Workerman: $connection->destroy(). */
void crew_conn_destroy(crew_conn *conn);

/* Stop and go on reading. While paused, no on_message is called and the kernel's window pushes
 * back on the peer. The heartbeat does not count silence that a pause caused. A peer that hangs
 * up is noticed at once; what it sent before that waits for crew_conn_resume(), for
 * idle_timeout at the most. A peer that acknowledges nothing of what it was sent is ended by
 * idle_timeout, or by limits.send_timeout when more waits. Resume or close the connection
 * yourself. Workerman: pauseRecv(), resumeRecv(). */
void crew_conn_pause(crew_conn *conn);
void crew_conn_resume(crew_conn *conn);

/* The client has said who it is, and you believe it: say so within `limits.auth_timeout` of
 * on_open. A connection of which this was not said by then is ended: on_error with
 * CREW_ETIMEOUT, WebSocket close code 1008, and on_close with CREW_CLOSE_TIMEOUT. The time runs
 * on while the connection is paused, and whatever the client sends. It may be said earlier, in
 * on_connect or on_handshake, and again. Without auth_timeout (the default), and for requests,
 * which are never opened, it means nothing; but over udp it also says that the address of the
 * peer is not forged, and with auth_timeout nothing else says so. 0, or CREW_ECLOSED once it is
 * closing, and over udp without sessions.
 * Workerman: Timer::add() in onConnect, Timer::del() after the login. */
int crew_conn_authenticated(crew_conn *conn);

/* Its id, unique in the instance; 0 over udp without sessions. Workerman: $connection->id. */
crew_id crew_conn_id(const crew_conn *conn);

/* The open connection of this worker with that id, or NULL: it is gone, or lives elsewhere. */
crew_conn *crew_conn_find(crew_id id);

/* One pointer of the app's own a connection. `destructor` (NULL: none) is called with it once,
 * after on_close, or when it is replaced by another pointer. */
void crew_conn_set_data(crew_conn *conn, void *data, void (*destructor)(void *data));
void *crew_conn_data(const crew_conn *conn);

/* `state_size` zeroed bytes of this connection, aligned for anything, from on_connect until
 * on_close has returned; over udp without sessions new for each datagram. NULL without
 * state_size. */
void *crew_conn_state(const crew_conn *conn);

enum crew_addr_family {
    CREW_ADDR_NONE = 0,
    CREW_ADDR_IPV4 = 4,
    CREW_ADDR_IPV6 = 6,
    CREW_ADDR_UNIX = 1
};

struct crew_addr {
    enum crew_addr_family family;
    uint16_t port;  /* 0 for a unix socket */
    char text[108]; /* "192.0.2.1", "2001:db8::1" (no brackets), or the path of a unix socket
                       ("" when the peer has none) */
};

/* Both ends of a connection. An IPv4 peer of a dual-stack socket is shown as IPv4.
 * Workerman: getRemoteIp(), getRemotePort(), getLocalIp(), getLocalPort(). */
void crew_conn_peer_sized(const crew_conn *conn, struct crew_addr *out_addr, size_t size);
void crew_conn_local_sized(const crew_conn *conn, struct crew_addr *out_addr, size_t size);
static inline void crew_conn_peer(const crew_conn *conn, struct crew_addr *out_addr) {
    crew_conn_peer_sized(conn, out_addr, sizeof(*out_addr));
}
static inline void crew_conn_local(const crew_conn *conn, struct crew_addr *out_addr) {
    crew_conn_local_sized(conn, out_addr, sizeof(*out_addr));
}

struct crew_conn_stats {
    uint64_t bytes_in, bytes_out; /* on the wire; out counts what the kernel took */
    uint64_t messages_in, messages_out;
    size_t queued;    /* bytes waiting in the send buffer */
    uint64_t idle_ms; /* since bytes were last received, to a second or better */
    int64_t rtt_ms;   /* the last heartbeat round trip; -1 before there was one */
    uint64_t age_ms;  /* since it was accepted */
};

void crew_conn_stats_sized(const crew_conn *conn, struct crew_conn_stats *out_stats,
                           size_t size);
static inline void crew_conn_stats(const crew_conn *conn, struct crew_conn_stats *out_stats) {
    crew_conn_stats_sized(conn, out_stats, sizeof(*out_stats));
}

/* The close code that a WebSocket peer sent: 1005 when its close frame had none, 1006 when
 * there was no close frame (RFC 6455 section 7.1.5); 0 on other protocols. Meaningful in
 * on_close. */
int crew_conn_close_code(const crew_conn *conn);

/* The name of the service that accepted it; static for the life of the worker. */
const char *crew_conn_service(const crew_conn *conn);

/* Connections of this worker for which on_connect was called and on_close was not. */
size_t crew_conn_count(void);

/* Call `visit` for each of them, but those that have ended already and wait for their on_close;
 * a non-zero answer ends the walk and is returned. The visitor may send to, close or destroy
 * any connection, this one included; connections accepted meanwhile are not visited. Workerman:
 * $worker->connections. */
int crew_conn_each(int (*visit)(crew_conn *conn, void *arg), void *arg);

/* -------------------------------------------------------------------- HTTP */

/* A request on an `http` service, a plain one on a `websocket` service that has on_request, or
 * the opening handshake of a WebSocket.
 *
 * It ends when its answer is complete, or with its connection; the pointer is valid until then,
 * and until the callback in which it ended has returned: inside of that one an answered request
 * can be read on, and another answer is CREW_ESTATE. When a callback of a request closes the
 * connection, the request ends with that callback. Texts end with a NUL and live as long.
 * Workerman: Protocols\Http\Request. */
typedef struct crew_request crew_request;

/* The request of this connection that waits for its answer, NULL when there is none. */
crew_request *crew_conn_request(crew_conn *conn);

/* The connection that it came by; as long as the request. */
crew_conn *crew_request_conn(const crew_request *request);

/* Names a request for as long as it waits for its answer, and nothing else after it, also no
 * connection: keep it for an answer that comes later. 0 without memory, and for a request that
 * is over and was not asked for its id before. */
uint64_t crew_request_id(crew_request *request);

/* The request of this worker with that id, or NULL: it is answered, its connection has gone, or
 * it is elsewhere. */
crew_request *crew_request_find(uint64_t id);

/* One pointer of the app's own a request. `destructor` (NULL: none) is called with it once,
 * when the request has ended, or when it is replaced by another pointer. */
void crew_request_set_data(crew_request *request, void *data, void (*destructor)(void *data));
void *crew_request_data(const crew_request *request);

const char *crew_request_method(crew_request *request); /* "GET"; Workerman: method() */
const char *crew_request_target(crew_request *request); /* as it came, "/a%20b?x=1"; uri() */
const char *crew_request_path(crew_request *request);   /* decoded, "/a b"; path() */
const char *
crew_request_query_string(crew_request *request);     /* as it came, "x=1"; queryString() */
const char *crew_request_host(crew_request *request); /* with its port; host() */
int crew_request_minor_version(
    const crew_request *request); /* 1 for HTTP/1.1, 0 for HTTP/1.0 */

/* The value of a field, whatever the case of its name; several lines of it as one list (RFC
 * 9110 section 5.3). Asked for again it is the same text. NULL without one. Workerman:
 * header(). */
const char *crew_request_header(crew_request *request, const char *name);

/* Each field line as it came; a non-zero answer of `visit` ends the walk and is returned. */
int crew_request_each_header(crew_request *request,
                             int (*visit)(const char *name, const char *value, void *arg),
                             void *arg);

/* The same of the trailers, the fields that came behind a chunked body: they are no headers,
 * and those that belong into a head (Content-Length, Host, Authorization …) are read over (RFC
 * 9110 section 6.5). None before the whole body is there. Bounded like headers, by
 * limits.header_size and limits.headers. Workerman has none. */
const char *crew_request_trailer(crew_request *request, const char *name);
int crew_request_each_trailer(crew_request *request,
                              int (*visit)(const char *name, const char *value, void *arg),
                              void *arg);

/* The first parameter of that name, decoded; NULL without one. Workerman: get(), cookie(),
 * post(). */
const char *crew_request_query(crew_request *request, const char *name);
const char *crew_request_cookie(crew_request *request, const char *name);

/* A field of the form that is the body: application/x-www-form-urlencoded, or a field of
 * multipart/form-data that is no file. Names are what the client calls them: "a[]" and "a[b]"
 * are names like others, and crew_request_each_field() finds every one of several "a[]". NULL
 * also before the whole body is there, and of an urlencoded form with more than http.max_parts
 * fields: crew_request_each_field() tells it from a form without that one. */
const char *crew_request_form(crew_request *request, const char *name);

/* Each field of the form in order, "" and 0 where it is empty; `value` has a NUL behind its
 * `len` bytes, and may have more among them. A non-zero answer of `visit` ends the walk and is
 * returned. CREW_ETOOBIG, and no call, for an urlencoded form with more than http.max_parts
 * fields. Workerman: post(). */
int crew_request_each_field(crew_request *request,
                            int (*visit)(const char *name, const char *value, size_t len,
                                         void *arg),
                            void *arg);

/* A file of a form (multipart/form-data), as long as its request. Up to http.upload_memory it
 * is in memory, at `data`; a larger one has `data` NULL, and lies in the descriptor `fd` from
 * `offset` on. `fd` is ours: read it with pread(2) or crew_file_read(), do not close, write or
 * seek. */
struct crew_file {
    const char *name;      /* of the form's field, "photos[]" as it is */
    const char *file_name; /* what the client calls it, without the folders it may have named;
                              "" without one. Not to be trusted as a name for anything here: it
                              may be ".." or "index.php" */
    const char *type; /* the client's Content-Type for it, "text/plain" when it named none; not
                         checked */
    uint64_t size;
    const char *data; /* with a NUL behind it */
    int fd;           /* -1 when it is in memory */
    uint64_t offset;
};

/* The file number `index`, from 0, of those whose field is called `name`, or of all files when
 * `name` is NULL: count up until CREW_ENOENT. A field in which no file was chosen is none. A
 * service with on_body gets such a form as bytes. Workerman: file(). */
int crew_request_file_sized(crew_request *request, const char *name, size_t index,
                            struct crew_file *out_file, size_t size);
static inline int crew_request_file(crew_request *request, const char *name, size_t index,
                                    struct crew_file *out_file) {
    return crew_request_file_sized(request, name, index, out_file, sizeof(*out_file));
}

/* Copy up to `len` bytes from `offset` of the file. Answers their number, 0 at its end, or a
 * negative errno. */
long crew_file_read_sized(const struct crew_file *file, size_t size, uint64_t offset,
                          void *out_data, size_t len);
static inline long crew_file_read(const struct crew_file *file, uint64_t offset, void *out_data,
                                  size_t len) {
    return crew_file_read_sized(file, sizeof(*file), offset, out_data, len);
}

/* Keep the file under `path`, in place of what is there, so that no one ever sees half of it:
 * its mode is 0666 less the umask. On the file system of http.upload_dir a larger one needs no
 * copy; anywhere else the loop stands still while it is copied. Not synced to disk. A negative
 * errno, and nothing is changed: -ENOENT, -ENOSPC, -EACCES … Workerman: rename() of tmp_name.
 */
int crew_file_save_sized(const struct crew_file *file, size_t size, const char *path);
static inline int crew_file_save(const struct crew_file *file, const char *path) {
    return crew_file_save_sized(file, sizeof(*file), path);
}

/* The whole body, `*out_len` bytes with no NUL behind them; "" without one, and in on_error
 * when it did not come whole; it stays as long as the request; not of a service with on_body,
 * which gets it in pieces, nor of multipart/form-data, which is taken apart as it comes.
 * Workerman: rawBody(). */
const char *crew_request_body(crew_request *request, size_t *out_len);

/* Answers. Each request gets one; until it is complete the next request of the connection
 * waits. A function fails with CREW_ESTATE when the answer is not at the point that it is for
 * (begun already, not begun yet, complete), CREW_ECLOSED when the connection is closing or
 * closed, CREW_EINVAL for a status, name or value that must not be sent (CR, LF, NUL),
 * CREW_ETOOBIG for a head of more than 16 KiB, CREW_ENOMEM, CREW_ENOENT for a request that is
 * NULL. Workerman: Protocols\Http\Response. */

/* Add a field to the answer, before it is begun. Content-Length, Transfer-Encoding, Connection,
 * Date, Upgrade, Sec-WebSocket-Accept, Sec-WebSocket-Extensions and Sec-WebSocket-Protocol (see
 * crew_handshake_protocol()) are ours: CREW_EINVAL. In on_handshake it is added to the 101. */
int crew_reply_header(crew_request *request, const char *name, const char *value);

/* Let this answer be the last of its connection, before it is begun: its head says so
 * (Connection: close), and behind it the connection is closed politely. What the client has
 * sent behind the request is not looked at. */
int crew_reply_close(crew_request *request);

enum crew_same_site {
    CREW_SAME_SITE_UNSET,
    CREW_SAME_SITE_LAX,
    CREW_SAME_SITE_STRICT,
    CREW_SAME_SITE_NONE
};

/* A cookie (RFC 6265). NULL and 0 leave an attribute out; `max_age` counts seconds, negative to
 * forget it. */
struct crew_cookie {
    const char *name CREW_UNSET, *value CREW_UNSET, *path CREW_UNSET, *domain CREW_UNSET;
    int64_t max_age CREW_UNSET;
    int is_secure CREW_UNSET, is_http_only CREW_UNSET;
    enum crew_same_site same_site CREW_UNSET;
};
int crew_reply_cookie_sized(crew_request *request, const struct crew_cookie *cookie,
                            size_t size);
static inline int crew_reply_cookie(crew_request *request, const struct crew_cookie *cookie) {
    return crew_reply_cookie_sized(request, cookie, sizeof(*cookie));
}

/* If an answer fails and the callback returns without another (of a libuv handle of the app's
 * own: and the loop goes on), the worker answers 500 and says so in the log: no client waits
 * for ever.
 *
 * The whole answer, with a status from 200 to 599. `type` is its Content-Type, NULL for none.
 * The body is copied; with 204, 205 and 304 there is none, whatever is given. */
int crew_reply(crew_request *request, int status, const char *type, const void *body,
               size_t len);

/* The whole answer, formatted. As crew_reply(); CREW_EINVAL also for a format that cannot be
 * followed. Give `type` a charset where it is text, and what a client has sent to
 * crew_tmp_html() where it is HTML. */
int crew_replyf(crew_request *request, int status, const char *type, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A file as the answer: 200, or by the request's headers 206, 304, 412 or 416, with ETag and
 * Last-Modified; its type by the extension unless the app has added a Content-Type. Sent as the
 * client takes it, without being read into memory; a crew_conn_close() right behind lets it go
 * out whole. It must not be shortened meanwhile: replace it by rename(2). The path is taken as
 * it is: do not make it of what a client sends, that is what static.root is for. CREW_ENOENT
 * when there is no such regular file, or another system error; nothing was sent then.
 * Workerman: withFile(). */
int crew_reply_file(crew_request *request, const char *path);

/* 302, or another status from 301 to 308, to `location`. Workerman: redirect(). */
int crew_reply_redirect(crew_request *request, int status, const char *location);

/* An answer in pieces, with a status that has a body: begin, write as often as needed (answers
 * like crew_conn_send(): CREW_QUEUED asks to wait for on_buffer_drain), end. Chunked for
 * HTTP/1.1; HTTP/1.0 clients see its end by the close. An end that there is no memory for ends
 * the connection. */
int crew_reply_begin(crew_request *request, int status, const char *type);
int crew_reply_write(crew_request *request, const void *data, size_t len);
int crew_reply_end(crew_request *request);

/* One Server-Sent Event, on an answer begun as "text/event-stream". NULL leaves a member out;
 * `retry_ms` negative too. As crew_reply_write(); CREW_EINVAL for a line end in event, id or
 * comment. Workerman: ServerSentEvents. */
struct crew_sse {
    const char *event CREW_UNSET, *id CREW_UNSET, *data CREW_UNSET, *comment CREW_UNSET;
    long retry_ms CREW_UNSET;
};
int crew_reply_sse_sized(crew_request *request, const struct crew_sse *event, size_t size);
static inline int crew_reply_sse(crew_request *request, const struct crew_sse *event) {
    return crew_reply_sse_sized(request, event, sizeof(*event));
}

/* The session of the client that sent this request, kept here under a name that its cookie
 * holds (the `session` block of the configuration). It is looked up when it is first asked for,
 * and stored just before the answer begins, which is when CREW_ESTATE begins too; a new one
 * costs nothing until something is put in it. An id that a client brings is never taken on. An
 * answer whose session cannot be stored fails with that error (-ENOSPC …), once: the next one
 * goes without it. Where the store cannot be read, each function that can answer an error
 * answers that one. Workerman: session(). */

/* NULL without one; lives as long as the request. Workerman: Session::get(). */
const char *crew_session_get(crew_request *request, const char *name);

/* Each name with its value, in no order; `visit` may change the session. A non-zero answer of
 * it ends the walk and is returned. */
int crew_session_each(crew_request *request,
                      int (*visit)(const char *name, const char *value, void *arg), void *arg);

/* UTF-8 (CREW_EINVAL), copied; CREW_ETOOBIG above session.max_size. Of two requests at the same
 * time both keep what they set. Workerman: set(). */
int crew_session_set(crew_request *request, const char *name, const char *value);

/* CREW_ENOENT without one. Workerman: delete(). */
int crew_session_del(crew_request *request, const char *name);

/* Forget all of it: with nothing in it a session ends, and its cookie too. Workerman: flush().
 */
int crew_session_clear(crew_request *request);

/* The same session under a new id; the old id is worth nothing any more. To be done whenever a
 * client logs in (session fixation). Workerman: sessionRegenerateId(). */
int crew_session_regenerate(crew_request *request);

/* "" while it has none: it gets one when it is stored. Workerman: sessionId(). */
const char *crew_session_id(crew_request *request);

/* In on_handshake: speak this subprotocol (RFC 6455 section 1.9). CREW_ENOENT when the client
 * did not offer it. */
int crew_handshake_protocol(crew_request *request, const char *name);

/* -------------------------------------------------------- an app's own protocol */

/* What encode writes to; valid until encode returns. */
typedef struct crew_out crew_out;

/* Append a copy of `data`. CREW_ENOMEM; then the whole send answers that, whatever encode does.
 */
int crew_out_add(crew_out *out, const void *data, size_t len);

/* A framing of the app's own, over "tcp://…", "unix://…" or "udp://…": set `protocol` of the
 * service. `name` and `input` must be there. All may pause and close the connection and send to
 * it. Workerman: Protocols\ProtocolInterface. */
struct crew_protocol {
    const char *name CREW_UNSET; /* UTF-8; shown by `crewman connections` */

    /* Bytes of state for each connection, zeroed before on_connect and freed after on_close:
     * crew_protocol_state(). Over udp without sessions it is new for each datagram. */
    size_t state_size CREW_UNSET;

    /* The length of the first package in `data`, its header included; 0: more bytes are needed
     * to tell; negative: the peer broke the protocol (on_error with CREW_EPROTO, then the end;
     * over udp the datagram is dropped). `len` is at least 1. A length is remembered and not
     * asked for again. Above limits.max_message, or with as many bytes and no length yet, the
     * connection ends with CREW_CLOSE_LIMIT before more is buffered. */
    ptrdiff_t (*input)(crew_conn *conn, const char *data, size_t len) CREW_UNSET;

    /* The message of one whole package. *message is the package itself, as CREW_MSG_BINARY, and
     * may be changed: to a part of it, or to memory of the app's that stays until on_message
     * has returned. A pause in here begins behind this message. 0: deliver it; positive: drop
     * it; negative: the peer broke the protocol. NULL: deliver the package. */
    int (*decode)(crew_conn *conn, char *package, size_t len, crew_msg *message) CREW_UNSET;

    /* The bytes that a message is sent as. 0, or a negative error that the send answers;
     * nothing is sent when nothing was added. NULL: the message as it is. */
    int (*encode)(crew_conn *conn, const void *data, size_t len, enum crew_msg_type type,
                  crew_out *out) CREW_UNSET;

    /* Before the service's own on_connect, and after its on_close. */
    void (*on_connect)(crew_conn *conn) CREW_UNSET;
    void (*on_close)(crew_conn *conn) CREW_UNSET;
};

/* The state of this connection, aligned for anything; NULL without state_size. */
void *crew_protocol_state(const crew_conn *conn);

/* ------------------------------------------------------------------ timers */

/* Names a timer; never 0, never used again in this process. */
typedef int64_t crew_timer;

/* Call `tick` every `ms` milliseconds (1 to 2^40) of monotonic time, the first time after `ms`.
 * The schedule does not drift: the n-th tick is due n·ms after the call. Of the ticks that a
 * blocked loop missed one comes late, the others are skipped. Answers the timer, or
 * CREW_EINVAL, CREW_ENOMEM. Workerman: Timer::add() (which takes seconds). */
crew_timer crew_timer_add(uint64_t ms, void (*tick)(crew_timer timer, void *arg), void *arg);

/* The same once, after `ms` milliseconds (0 to 2^40); the timer is gone when `tick` is called.
 * Workerman: Timer::add($s, $f, $args, false), Timer::delay(). */
crew_timer crew_timer_add_once(uint64_t ms, void (*tick)(crew_timer timer, void *arg),
                               void *arg);

/* The same for one connection: the timer ends with it, and no tick comes behind its end. As
 * above, with CREW_ENOENT for NULL and CREW_ECLOSED for a connection that has ended. Workerman:
 * Timer::add() in onConnect and Timer::del() in onClose. */
crew_timer crew_conn_timer(crew_conn *conn, uint64_t ms,
                           void (*tick)(crew_conn *conn, crew_timer timer));
crew_timer crew_conn_timer_once(crew_conn *conn, uint64_t ms,
                                void (*tick)(crew_conn *conn, crew_timer timer));

/* End a timer; it will not tick again. May be called inside its own tick. CREW_ENOENT when it
 * is gone already. Workerman: Timer::del(). */
int crew_timer_del(crew_timer timer);

/* Milliseconds of monotonic time, read once an event-loop tick. */
uint64_t crew_now_ms(void);

/* ------------------------------------------------------- texts for a moment */

/* Formatted text in memory of ours, until the outermost callback has returned (of a libuv
 * handle of the app's own: until the loop goes on); free nothing. NULL without memory, beyond
 * 16 MiB together, and for a format that cannot be followed. */
const char *crew_tmpf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for text with & < > " and ' as HTML writes them, for its text and quoted attributes.
 * NULL is "". Workerman: htmlspecialchars(). */
const char *crew_tmp_html(const char *text);

/* ------------------------------------------------------------- this worker */

/* A service in this worker; valid for the life of the process. */
struct crew_service_ref {
    uint32_t size; /* of this struct, as the worker knows it: CREW_HAS() */
    unsigned slot; /* crew_worker_slot() */
    const char *name;
    void *data;           /* of struct crew_service */
    const char *settings; /* crew_worker_settings() */
};

/* In the short-lived process that asks what an app declares (its constructors; a runtime's load
 * and describe) there is no loop: timers and crew_worker_listen() answer CREW_ESTATE,
 * crew_worker_loop() NULL, crew_worker_stop() does nothing, and slot and generation are 0. */

unsigned crew_worker_slot(void);       /* 0..workers-1; Workerman: $worker->id */
unsigned crew_worker_generation(void); /* 1 at start, +1 a reload */

/* The name of the service whose callback runs; outside of them of the first that this worker
 * serves. */
const char *crew_worker_service(void);

/* The `settings` object of a service's block in the config as JSON text, "{}" without one; NULL
 * is the service whose callback runs. NULL for a service that this worker does not serve. */
const char *crew_worker_settings(const char *service);

/* The service of a connection. */
const struct crew_service_ref *crew_conn_service_ref(const crew_conn *conn);

/* Let this process end: it stops accepting, closes its connections politely and exits 0; the
 * master starts another in its slot. For "exit after n requests"; Workerman: Worker::stopAll()
 * in a child. Returns at once. */
void crew_worker_stop(void);

/* ----------------------------------------------------------------- logging */

enum crew_log_level {
    CREW_LOG_DEBUG = 0,
    CREW_LOG_INFO = 1,
    CREW_LOG_NOTICE = 2,
    CREW_LOG_WARNING = 3,
    CREW_LOG_ERROR = 4
};

/* One line to the log of the instance, with time, level, service, slot and pid; control bytes
 * are escaped. A line below log.level costs nothing. Workerman: Worker::log(). */
void crew_log(enum crew_log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ------------------------------------------------------------ the descriptor */

/* What a reload does with the processes of a service. Workerman: $worker->reloadable. */
enum crew_reload {
    CREW_RELOAD_REPLACE = 0, /* new ones take their places */
    CREW_RELOAD_KEEP = 1     /* they stay, with the code they have, unless `listen` changes */
};

/* What a service is and does. Every field may be left out but `name`. Callbacks that are NULL
 * are not called. Designated initialisers of C++ must keep this order. */
struct crew_service {
    /* [a-z0-9_-], at most 32; unique in the instance. */
    const char *name CREW_UNSET;
    /* For people: a line of UTF-8, at most 128 bytes; NULL: none. */
    const char *label CREW_UNSET;
    /* "websocket://0.0.0.0:8282", "text://[::]:23", "tcp://…", "frame://…",
     * "unix:///run/x.sock", "text://unix:/run/x.sock", "udp://…", "udp+text://…",
     * "udp+frame://…"; NULL: no listener, a process for timers. */
    const char *listen CREW_UNSET;
    /* The name of the processes that serve it, together with all others that name them; NULL:
     * processes of its own. */
    const char *process CREW_UNSET;
    unsigned workers CREW_UNSET; /* processes; 0: one per available CPU */
    /* The user that they run as, when root starts them and the config names none; never root;
     * NULL: as who started. The group; NULL: the user's own. */
    const char *user CREW_UNSET;
    const char *group CREW_UNSET;
    enum crew_reload reload CREW_UNSET;
    /* JSON text with the keys of a service block of the config file, for example
     * {"heartbeat": {"idle_timeout": "30s"}}; the config file wins. */
    const char *config CREW_UNSET;
    void *data CREW_UNSET;        /* the app's own: crew_service_ref.data */
    size_t state_size CREW_UNSET; /* bytes of state for each connection: crew_conn_state() */
    /* The app's own framing; `listen` is then "tcp://…", "unix://…" or "udp://…". */
    const struct crew_protocol *protocol CREW_UNSET;

    /* Once in each process, before it accepts; where several services share it, for each in
     * the order of the configuration. A negative answer refuses the start: the reason
     * should have been logged. Workerman: onWorkerStart. */
    int (*on_worker_start)(const struct crew_service_ref *service) CREW_UNSET;
    /* Once, when this process stops accepting because another takes its place
     * (CREW_CLOSE_RELOAD) or the server stops (CREW_CLOSE_SHUTDOWN), before any connection is
     * closed. Workerman: onWorkerReload. */
    void (*on_worker_drain)(const struct crew_service_ref *service, int reason) CREW_UNSET;
    /* Once, as the process ends in good order; connections are still open. Workerman:
     * onWorkerStop. */
    void (*on_worker_stop)(const struct crew_service_ref *service) CREW_UNSET;

    /* Accepted, before any byte. Workerman: onConnect. */
    void (*on_connect)(crew_conn *conn) CREW_UNSET;
    /* A WebSocket opening handshake, before the 101: 0 accepts, a status from 400 to 599
     * refuses; crew_reply() does not answer it (CREW_ESTATE). */
    int (*on_handshake)(crew_conn *conn, crew_request *request) CREW_UNSET;
    /* The protocol's handshake is done (at once where there is none). Plain HTTP never calls
     * it, as its connections may still become WebSockets. Workerman: onWebSocketConnected. */
    void (*on_open)(crew_conn *conn) CREW_UNSET;
    void (*on_message)(crew_conn *conn, const crew_msg *msg) CREW_UNSET;

    /* A request is there, with all of its body (at most limits.max_body) unless the service has
     * on_body. Answer it with crew_reply…(), now or later. Workerman: onMessage of an http
     * Worker. */
    void (*on_request)(crew_conn *conn, crew_request *request) CREW_UNSET;
    /* The body in pieces as they come, after on_request; the last call has is_last and may have
     * len 0. A request without a body, that on_request has not answered, gets that one call. */
    void (*on_body)(crew_conn *conn, crew_request *request, const char *data, size_t len,
                    int is_last) CREW_UNSET;
    /* A WebSocket ping (the pong is sent by itself) or pong came. */
    void (*on_ping)(crew_conn *conn, const crew_msg *payload) CREW_UNSET;
    void (*on_pong)(crew_conn *conn, const crew_msg *payload) CREW_UNSET;

    /* The queue passed the high-water mark (half of max_send_buffer), and it became empty after
     * that; always in pairs, unless on_close comes between. What is sent in on_connect may call
     * on_buffer_full before on_open; on_buffer_drain comes after it. */
    void (*on_buffer_full)(crew_conn *conn) CREW_UNSET;
    void (*on_buffer_drain)(crew_conn *conn) CREW_UNSET;

    /* Something is wrong with this connection: CREW_EPROTO, CREW_ETOOBIG, CREW_ETIMEOUT,
     * CREW_ENOMEM or a system error, with a line for people. on_close follows; over udp the
     * datagram is dropped. */
    void (*on_error)(crew_conn *conn, int error, const char *text) CREW_UNSET;
    /* Exactly once for each on_connect, as its last callback. `reason` is an enum
     * crew_close_reason. Sending answers CREW_ECLOSED. */
    void (*on_close)(crew_conn *conn, int reason) CREW_UNSET;
};

struct crew_app {
    uint32_t magic;         /* CREW_MAGIC */
    uint32_t abi;           /* CREW_ABI */
    uint32_t size;          /* of this and the two below, as the app was compiled */
    uint32_t service_size;  /* sizeof(struct crew_service) */
    uint32_t protocol_size; /* sizeof(struct crew_protocol) */
    uint32_t service_count;
    const struct crew_service *services;
    const char *version; /* CREW_VERSION as the app was compiled */
};

/* Listen on one more address in this process, from now until it ends, with the callbacks of
 * `service`: of that `name` (the label of its connections), `config`, `state_size`, `protocol`
 * and the on_… of connections count; what belongs to a process must be unset (listen, process,
 * label, reload, workers, user, group, on_worker_…: CREW_EINVAL and a line in the log), and so
 * must the keys of its config that do (also kind, app, reloadable, reuse_port, socket).
 * `service` and `protocol` are copied, the texts in them are not. `arg` is what
 * crew_conn_data() answers on each of its connections at first. Mostly called in
 * on_worker_start; CREW_ESTATE once the process drains.
 *
 * The socket is this process's own, and others may bind the same address (SO_REUSEPORT): each
 * worker that does so gets a share of the connections or udp peers. A successor binds before
 * the old one drains, which first takes all that waits for it and nothing more: from then on a
 * udp peer's datagrams go to the successor, where its session begins anew, and the old process
 * can answer the sessions it has. Still this is outside of what a reload promises: between the
 * end of one process and the start of the next nobody listens. Ports below 1024 fail with
 * -EACCES once the process has become its user; unix paths with CREW_ENOTSUP. An address or a
 * config that is wrong is CREW_EINVAL with a line in the log; otherwise 0, CREW_ENOMEM or the
 * system's error (-EADDRINUSE). Workerman: new Worker() in onWorkerStart and its listen(). */
int crew_worker_listen_sized(const char *address, const struct crew_service *service,
                             size_t size, size_t protocol_size, void *arg);
static inline int crew_worker_listen(const char *address, const struct crew_service *service,
                                     void *arg) {
    return crew_worker_listen_sized(address, service, sizeof(*service),
                                    sizeof(struct crew_protocol), arg);
}

/* Export the descriptor. Each argument is the initialiser of one service:
 *
 *     CREW_APP({
 *         .name = "echo",
 *         .listen = "websocket://0.0.0.0:2346",
 *         .on_message = on_message,
 *     })
 */
#define CREW_APP(...)                                                                          \
    static const struct crew_service crew_app_services_[] = {__VA_ARGS__};                     \
    CREW_EXTERN_C __attribute__((visibility("default"))) const struct crew_app crew_app;       \
    const struct crew_app crew_app = {                                                         \
        CREW_MAGIC,                                                                            \
        CREW_ABI,                                                                              \
        sizeof(struct crew_app),                                                               \
        sizeof(struct crew_service),                                                           \
        sizeof(struct crew_protocol),                                                          \
        sizeof(crew_app_services_) / sizeof(crew_app_services_[0]),                            \
        crew_app_services_,                                                                    \
        CREW_VERSION,                                                                          \
    };

/* Fill a descriptor at run time; `services` are borrowed for as long as it is used. */
static inline void crew_app_init(struct crew_app *out_app, const struct crew_service *services,
                                 uint32_t count) {
    const struct crew_app app = {
        CREW_MAGIC,
        CREW_ABI,
        sizeof(struct crew_app),
        sizeof(struct crew_service),
        sizeof(struct crew_protocol),
        count,
        services,
        CREW_VERSION,
    };
    *out_app = app;
}

/* ------------------------------------------------------- language runtimes */

/* Runs apps that are no shared objects: `crewman start chat.py` takes py.so from the folder of
 * runtimes (`runtimes` in the config). It describes the services of an app at run time; their
 * callbacks are its own, and crew_service_ref.data leads from a service to what belongs to it.
 * The short-lived process that asks what an app declares and each worker load it, once and as
 * the workers' user, before anything else. */
struct crew_runtime {
    uint32_t magic; /* CREW_RUNTIME_MAGIC */
    uint32_t abi;   /* CREW_ABI */
    uint32_t size;  /* of this, as the runtime was compiled */

    /* First: read the app at `path`, which is absolute. 0; or a negative error with a line in
     * `why` (`size` bytes) that names the file, its line, what was found and what expected. */
    int (*load)(const char *path, char *why, size_t size);

    /* Then: its services, valid for the life of the process; crew_app_init() makes them. NULL:
     * there are none. Nothing of a service but its callbacks may differ from one process to
     * another of the same app. */
    const struct crew_app *(*describe)(void);

    const char *version; /* CREW_VERSION as the runtime was compiled */
};

#define CREW_RUNTIME_MAGIC 0x43524c52u /* "CRLR" */

/* Export the runtime: CREW_RUNTIME(load, describe). */
/* clang-format off */
#define CREW_RUNTIME(load, describe)                                                           \
    CREW_EXTERN_C __attribute__((visibility("default")))                                       \
    const struct crew_runtime crew_runtime;                                                    \
    const struct crew_runtime crew_runtime = {                                                 \
        CREW_RUNTIME_MAGIC,                                                                    \
        CREW_ABI,                                                                              \
        sizeof(struct crew_runtime),                                                           \
        load,                                                                                  \
        describe,                                                                              \
        CREW_VERSION,                                                                          \
    };
/* clang-format on */

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
