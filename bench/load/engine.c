/* SPDX-License-Identifier: MIT
 *
 * Closed loop: each answer sends the next request, so that `depth` are always under way. Open
 * loop: requests are due at fixed times; the latency of each counts from its due time, also
 * when it could not be sent then (no coordinated omission).
 */
#include "engine.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../common/cputime.h"
#include "protocol.h"

#define EVENTS_MAX     512
#define READ_SIZE      (1u << 20)
#define CONNECTING_MAX 1000u /* SYNs under way, below any backlog */

struct load_conn {
    int fd; /* -1: closed */
    bool is_connected, is_ready, wants_write;
    uint64_t write_left,
        write_at; /* requests' bytes still to be written; position in the request buffer */
    bool handshake_left;
    uint64_t started_ns;
    uint64_t *due; /* ring of send or due times */
    unsigned due_first, due_count, due_size;
    struct reader reader;
};

struct engine {
    const struct options *options;
    struct counts *counts;
    struct protocol protocol;
    struct load_conn *conns;
    int epoll_fd;
    unsigned started, connecting, ready, next_source;
    bool is_measuring, is_over;
    uint64_t start_ns, measure_ns, end_ns;
    uint64_t issued; /* open loop */
    char *buffer;
};

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void note(struct engine *engine, uint64_t *counter, const char *what, int error) {
    ++*counter;
    if (engine->counts->first_error[0] == '\0')
        snprintf(engine->counts->first_error, sizeof(engine->counts->first_error), "%s%s%s",
                 what, error ? ": " : "", error ? strerror(error) : "");
}

static void watch(struct engine *engine, struct load_conn *conn, int operation, bool writes) {
    struct epoll_event event = {.events = EPOLLIN | (writes ? EPOLLOUT : 0), .data.ptr = conn};
    conn->wants_write = writes;
    epoll_ctl(engine->epoll_fd, operation, conn->fd, &event);
}

static void drop(struct engine *engine, struct load_conn *conn) {
    if (conn->fd < 0)
        return;
    if (!conn->is_ready)
        engine->connecting--;
    else
        engine->ready--;
    close(conn->fd);
    conn->fd = -1;
    reader_done(&conn->reader);
}

static void bind_source(const struct engine *engine, int fd, unsigned index) {
    int on = 1;
    struct sockaddr_in source = {.sin_family = AF_INET};
    if (engine->options->sources < 2 && engine->options->first_source == 0)
        return;
    source.sin_addr.s_addr =
        htonl(0x7f010001u + engine->options->first_source + index % engine->options->sources);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    bind(fd, (struct sockaddr *)&source, sizeof(source));
}

static void begin(struct engine *engine, struct load_conn *conn) {
    const struct options *options = engine->options;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(options->port)};
    int on = 1;
    unsigned index = (unsigned)(conn - engine->conns);
    inet_pton(AF_INET, options->host, &to.sin_addr);
    memset(&conn->reader, 0, sizeof(conn->reader));
    conn->reader.pattern = index % PATTERNS;
    conn->is_connected = conn->is_ready = false;
    conn->write_left = conn->write_at = 0;
    conn->due_count = 0;
    conn->handshake_left = engine->protocol.handshake.len > 0;
    conn->started_ns = now_ns();
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    engine->connecting++;
    if (conn->fd < 0) {
        note(engine, &engine->counts->connect_errors, "socket", errno);
        engine->connecting--;
        return;
    }
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    bind_source(engine, conn->fd, index);
    if (connect(conn->fd, (struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS) {
        note(engine, &engine->counts->connect_errors, "connect", errno);
        drop(engine, conn);
        return;
    }
    watch(engine, conn, EPOLL_CTL_ADD, true);
}

static void push_due(struct load_conn *conn, uint64_t at) {
    if (conn->due_count == conn->due_size) {
        unsigned size = conn->due_size ? conn->due_size * 2 : 16;
        uint64_t *due = malloc(size * sizeof(*due));
        if (!due)
            exit(1);
        for (unsigned i = 0; i < conn->due_count; i++)
            due[i] = conn->due[(conn->due_first + i) % conn->due_size];
        free(conn->due);
        conn->due = due;
        conn->due_first = 0;
        conn->due_size = size;
    }
    conn->due[(conn->due_first + conn->due_count++) % conn->due_size] = at;
}

static bool write_handshake(struct engine *engine, struct load_conn *conn) {
    const struct bytes *handshake = &engine->protocol.handshake;
    if (!conn->handshake_left)
        return true;
    if (send(conn->fd, handshake->data, handshake->len, MSG_NOSIGNAL) !=
        (ssize_t)handshake->len) {
        note(engine, &engine->counts->broken, "send", errno);
        drop(engine, conn);
        return false;
    }
    conn->handshake_left = false;
    return true;
}

/* Write what is due; the request buffer holds `depth` copies, so several go in one write. */
static void pump(struct engine *engine, struct load_conn *conn) {
    const struct bytes *requests = &engine->protocol.requests[conn->reader.pattern];
    size_t one = engine->protocol.request_len[conn->reader.pattern];
    while (conn->write_left > 0) {
        size_t from = conn->write_at % one;
        size_t part = requests->len - from;
        if (part > conn->write_left)
            part = conn->write_left;
        ssize_t sent = send(conn->fd, requests->data + from, part, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EAGAIN)
                break;
            note(engine, &engine->counts->broken, "send", errno);
            drop(engine, conn);
            return;
        }
        conn->write_left -= (uint64_t)sent;
        conn->write_at += (uint64_t)sent;
    }
    if ((conn->write_left > 0) != conn->wants_write)
        watch(engine, conn, EPOLL_CTL_MOD, conn->write_left > 0);
}

static void request(struct engine *engine, struct load_conn *conn, unsigned count,
                    uint64_t at) {
    for (unsigned i = 0; i < count; i++)
        push_due(conn, at);
    conn->write_left += (uint64_t)count * engine->protocol.request_len[conn->reader.pattern];
    pump(engine, conn);
}

static void handshake_over(struct engine *engine, struct load_conn *conn) {
    conn->is_ready = true;
    engine->connecting--;
    engine->ready++;
    if (engine->options->mode == MODE_HANDSHAKE) {
        if (engine->is_measuring) {
            engine->counts->done++;
            histogram_add(&engine->counts->latency, now_ns() - conn->started_ns);
        }
        drop(engine, conn);
        if (!engine->is_over)
            begin(engine, conn);
        return;
    }
    if (engine->options->mode == MODE_ECHO && engine->options->rate == 0)
        request(engine, conn, engine->options->depth, now_ns());
}

static void connected(struct engine *engine, struct load_conn *conn) {
    int error = 0;
    socklen_t len = sizeof(error);
    getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error) {
        note(engine, &engine->counts->connect_errors, "connect", error);
        drop(engine, conn);
        return;
    }
    conn->is_connected = true;
    watch(engine, conn, EPOLL_CTL_MOD, false);
    if (!write_handshake(engine, conn))
        return;
    if (engine->protocol.handshake.len > 0)
        return;
    if (engine->options->mode == MODE_HANDSHAKE)
        request(engine, conn, 1, now_ns()); /* its answer stands for the handshake */
    else
        handshake_over(engine, conn);
}

static void answered(struct engine *engine, struct load_conn *conn, unsigned count) {
    uint64_t now = now_ns();
    for (unsigned i = 0; i < count && conn->due_count > 0; i++) {
        if (engine->is_measuring) {
            engine->counts->done++;
            histogram_add(&engine->counts->latency, now - conn->due[conn->due_first]);
        }
        conn->due_first = (conn->due_first + 1) % conn->due_size;
        conn->due_count--;
    }
    if (engine->options->rate == 0 && !engine->is_over)
        request(engine, conn, count, now);
}

static void answer_ping(struct engine *engine, struct load_conn *conn) {
    char frame[140];
    size_t len = reader_pong(&conn->reader, frame);
    engine->counts->pings += conn->reader.pings;
    conn->reader.pings = 0;
    if (send(conn->fd, frame, len, MSG_NOSIGNAL) != (ssize_t)len)
        note(engine, &engine->counts->broken, "pong", errno);
}

static void ended(struct engine *engine, struct load_conn *conn, int error) {
    if (engine->options->mode != MODE_HANDSHAKE || !engine->is_over)
        note(engine, &engine->counts->broken, error ? "recv" : "closed by the server", error);
    drop(engine, conn);
    if (engine->options->mode == MODE_HANDSHAKE && !engine->is_over)
        begin(engine, conn);
}

static void readable(struct engine *engine, struct load_conn *conn) {
    const char *why = "";
    ssize_t got = recv(conn->fd, engine->buffer, READ_SIZE, 0);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN)
            ended(engine, conn, got == 0 ? 0 : errno);
        return;
    }
    int complete =
        reader_feed(&engine->protocol, &conn->reader, engine->buffer, (size_t)got, &why);
    if (complete < 0) {
        note(engine, &engine->counts->wrong, why, 0);
        drop(engine, conn);
        return;
    }
    if (conn->reader.pings > 0)
        answer_ping(engine, conn);
    bool is_open = engine->protocol.handshake.len > 0 ? conn->reader.is_open : complete > 0;
    if (!conn->is_ready && is_open)
        handshake_over(engine, conn);
    else if (complete > 0)
        answered(engine, conn, (unsigned)complete);
}

static void serve(struct engine *engine, struct load_conn *conn, uint32_t events) {
    if (conn->fd < 0)
        return;
    if (!conn->is_connected) {
        connected(engine, conn);
        return;
    }
    if (events & EPOLLOUT)
        pump(engine, conn);
    if (conn->fd >= 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        readable(engine, conn);
}

static void begin_more(struct engine *engine) {
    unsigned at_once = engine->options->mode == MODE_BURST ? UINT32_MAX : CONNECTING_MAX;
    while (engine->started < engine->options->connections && engine->connecting < at_once)
        begin(engine, &engine->conns[engine->started++]);
}

/* Open loop: send what is due by now, round the connections. */
static void issue_due(struct engine *engine) {
    const struct options *options = engine->options;
    uint64_t now = now_ns();
    double interval = 1e9 / options->rate;
    while (!engine->is_over) {
        uint64_t due = engine->start_ns + (uint64_t)((double)engine->issued * interval);
        if (due > now)
            return;
        struct load_conn *conn = &engine->conns[engine->issued++ % options->connections];
        if (conn->fd >= 0 && conn->is_ready)
            request(engine, conn, 1, due);
        else
            note(engine, &engine->counts->broken, "a request had no connection", 0);
    }
}

static int wait_ms(const struct engine *engine, uint64_t now) {
    if (engine->options->rate > 0 && engine->start_ns)
        return 0; /* the generator may spin: it has a core of its own */
    if (engine->end_ns == 0)
        return 100;
    uint64_t next = engine->is_measuring ? engine->end_ns : engine->measure_ns;
    return next <= now ? 0 : (int)((next - now) / 1000000u) + 1;
}

static void poll_once(struct engine *engine) {
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(engine->epoll_fd, events, EVENTS_MAX, wait_ms(engine, now_ns()));
    for (int i = 0; i < count; i++)
        serve(engine, events[i].data.ptr, events[i].events);
}

/* Until all connections are ready, or have failed; handshake storms start at once. */
static void connect_all(struct engine *engine) {
    uint64_t limit = now_ns() + 60000000000u;
    begin_more(engine);
    while (engine->options->mode != MODE_HANDSHAKE && now_ns() < limit &&
           (engine->connecting > 0 || engine->started < engine->options->connections)) {
        poll_once(engine);
        begin_more(engine);
    }
    for (unsigned i = 0; i < engine->started && engine->options->mode != MODE_HANDSHAKE; i++)
        if (engine->conns[i].fd >= 0 && !engine->conns[i].is_ready)
            note(engine, &engine->counts->connect_errors, "no answer to the handshake", 0);
}

/* SIGINT ends the measurement early, and it is printed. */
static volatile sig_atomic_t is_interrupted;

static void on_interrupt(int number) {
    (void)number;
    is_interrupted = 1;
}

static void measure(struct engine *engine) {
    const struct options *options = engine->options;
    uint64_t now = now_ns();
    signal(SIGINT, on_interrupt);
    engine->start_ns = now;
    engine->measure_ns = now + (uint64_t)(options->warmup_s * 1e9);
    engine->end_ns = engine->measure_ns + (uint64_t)(options->duration_s * 1e9);
    double cpu = 0;
    while (now < engine->end_ns && !is_interrupted) {
        if (!engine->is_measuring && now >= engine->measure_ns) {
            engine->is_measuring = true;
            engine->measure_ns = now;
            cpu = cputime_read(options->pids.items, options->pids.count);
        }
        if (options->rate > 0)
            issue_due(engine);
        poll_once(engine);
        now = now_ns();
    }
    engine->is_over = true;
    engine->is_measuring = false;
    engine->counts->seconds = (double)(now - engine->measure_ns) / 1e9;
    engine->counts->cpu_s = cputime_read(options->pids.items, options->pids.count) - cpu;
    engine->counts->open = engine->ready;
}

static void raise_limit(void) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

void engine_run(const struct options *options, struct counts *out_counts) {
    struct engine engine = {.options = options, .counts = out_counts};
    memset(out_counts, 0, sizeof(*out_counts));
    raise_limit();
    protocol_init(&engine.protocol, options);
    engine.conns = calloc(options->connections, sizeof(*engine.conns));
    engine.buffer = malloc(READ_SIZE);
    engine.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!engine.conns || !engine.buffer || engine.epoll_fd < 0) {
        perror("load");
        exit(1);
    }
    for (unsigned i = 0; i < options->connections; i++)
        engine.conns[i].fd = -1;
    connect_all(&engine);
    measure(&engine);
}
