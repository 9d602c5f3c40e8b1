/* SPDX-License-Identifier: MIT
 *
 * See memory.h.
 */
#include "memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conn.h"

/* A connection in the one allocation that its transport asks for. */
struct memory_conn {
    struct crew_conn conn; /* first */
    struct peer *peer;
};

static struct peer *peer_of(const struct crew_conn *conn) {
    return ((const struct memory_conn *)(const void *)conn)->peer;
}

static int take_error(int *error) {
    int taken = *error;
    *error = 0;
    return taken;
}

static size_t left_to_read(const struct peer *peer) {
    return peer->in.len - peer->taken;
}

static int start(struct crew_conn *conn) {
    struct peer *peer = peer_of(conn);
    if (peer->start_error)
        return take_error(&peer->start_error);
    peer->has_news = false;
    if (peer->starts_left > 0) {
        peer->starts_left--;
        return 0;
    }
    if (left_to_read(peer) < peer->start_takes)
        return 0;
    peer->taken += peer->start_takes;
    peer->start_takes = 0;
    return 1;
}

static ssize_t read_memory(struct crew_conn *conn, char *room, size_t size) {
    struct peer *peer = peer_of(conn);
    peer->has_news = false;
    if (peer->read_error)
        return take_error(&peer->read_error);
    size_t len = left_to_read(peer);
    if (len == 0)
        return peer->has_ended ? 0 : -EAGAIN;
    if (len > size)
        len = size;
    if (peer->piece > 0 && len > peer->piece)
        len = peer->piece;
    memcpy(room, peer->in.data + peer->taken, len);
    peer->taken += len;
    return (ssize_t)len;
}

static size_t take(struct peer *peer, const void *data, size_t len) {
    size_t taken = len < peer->room ? len : peer->room;
    bytes_add(&peer->out, data, taken);
    if (peer->room != SIZE_MAX)
        peer->room -= taken;
    return taken;
}

static ssize_t note_write(struct peer *peer, size_t sent) {
    if (sent > 0)
        peer->writes++;
    else
        peer->refused++;
    return (ssize_t)sent;
}

static ssize_t write_memory(struct crew_conn *conn, const struct iovec *parts, int count,
                            bool has_more) {
    struct peer *peer = peer_of(conn);
    size_t sent = 0;
    (void)has_more;
    if (peer->write_error)
        return take_error(&peer->write_error);
    for (int i = 0; i < count; i++)
        sent += take(peer, parts[i].iov_base, parts[i].iov_len);
    return note_write(peer, sent);
}

static ssize_t send_file(struct crew_conn *conn, int fd, uint64_t offset, size_t len) {
    struct peer *peer = peer_of(conn);
    char *data = malloc(len);
    ssize_t got = data ? pread(fd, data, len, (off_t)offset) : -1;
    size_t sent = got > 0 ? take(peer, data, (size_t)got) : 0;
    free(data);
    return got > 0 ? note_write(peer, sent) : -EIO;
}

static int interest(struct crew_conn *conn, int before, int wanted) {
    struct peer *peer = peer_of(conn);
    if (before != peer->interest)
        return -EINVAL;
    peer->interest = wanted;
    return 0;
}

static bool has_more(const struct crew_conn *conn) {
    return left_to_read(peer_of(conn)) > 0;
}

static int64_t unsent(const struct crew_conn *conn) {
    return peer_of(conn)->unsent;
}

static bool has_unread(const struct crew_conn *conn) {
    return left_to_read(peer_of(conn)) > 0;
}

static int pending_error(const struct crew_conn *conn) {
    return take_error(&peer_of(conn)->read_error);
}

static void shut(struct crew_conn *conn) {
    peer_of(conn)->is_shut = true;
}

static void close_memory(struct crew_conn *conn) {
    struct peer *peer = peer_of(conn);
    peer->is_closed = true;
    peer->conn = NULL;
}

static void local(const struct crew_conn *conn, struct crew_addr *out_addr) {
    (void)conn;
    *out_addr = (struct crew_addr){0};
}

#define MEMORY_FUNCTIONS                                                                       \
    .conn_size = sizeof(struct memory_conn), .start = start, .read = read_memory,              \
    .write = write_memory, .send_file = send_file, .interest = interest, .unsent = unsent,     \
    .has_unread = has_unread, .error = pending_error, .shut = shut, .close = close_memory,     \
    .local = local

const struct transport transport_memory = {.name = "memory", MEMORY_FUNCTIONS};

const struct transport transport_memory_hiding = {
    .name = "hiding memory", .has_more = has_more, MEMORY_FUNCTIONS};

void peer_init(struct peer *peer, const char *name) {
    *peer = (struct peer){.name = name, .room = SIZE_MAX};
    bytes_add(&peer->in, "", 0);
    bytes_add(&peer->out, "", 0);
}

void peer_done(struct peer *peer) {
    bytes_done(&peer->in);
    bytes_done(&peer->out);
}

void peer_attach(struct peer *peer, struct crew_conn *conn) {
    peer->conn = conn;
    ((struct memory_conn *)(void *)conn)->peer = peer;
}

void peer_put(struct peer *peer, const void *data, size_t len) {
    bytes_add(&peer->in, data, len);
    peer->has_news = true;
}

void peer_end(struct peer *peer) {
    peer->has_ended = true;
    peer->has_news = true;
}

/* Alone it is told once. */
static bool has_hung_up(const struct peer *peer) {
    bool is_known = peer->conn->has_hung_up && peer->interest == POLLER_HANGUP;
    return peer->read_error || (peer->has_ended && !is_known);
}

int peer_events(const struct peer *peer) {
    const struct crew_conn *conn = peer->conn;
    if (!conn)
        return 0;
    bool hides = conn->endpoint->transport->has_more;
    bool is_readable =
        hides ? peer->has_news : left_to_read(peer) > 0 || peer->has_ended || peer->read_error;
    int events = (is_readable ? POLLER_READABLE : 0) | (peer->room > 0 ? POLLER_WRITABLE : 0);
    if (has_hung_up(peer))
        events |= POLLER_HANGUP;
    return events & peer->interest;
}

bool peer_begins_with(const struct peer *peer, const char *text) {
    return peer->out.len >= strlen(text) && memcmp(peer->out.data, text, strlen(text)) == 0;
}

void peer_forget(struct peer *peer) {
    bytes_done(&peer->out);
    bytes_add(&peer->out, "", 0);
    peer->writes = peer->refused = 0;
}
