/* SPDX-License-Identifier: MIT
 *
 * The way in of a connection: one read of the socket in a turn of the loop, handed to the
 * session; and the stash of what the session has left. A read goes into the buffer that all
 * connections share, or straight into a long message where the session has room for it. Called
 * by conn.c only.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "conn.h"
#include "worker.h"

/* Bytes behind an unanswered request that are kept, beside a head. */
#define STASH_SPARE (64u * 1024u)

void conn_discard_stash(struct crew_conn *conn) {
    free(conn->stash);
    conn->stash = NULL;
}

/* Keep `len` unconsumed bytes at `data`, which may lie inside the stash itself. */
static void keep(struct crew_conn *conn, const char *data, size_t len) {
    if (len == 0) {
        conn_discard_stash(conn);
        return;
    }
    if (conn->stash) {
        memmove(conn->stash->data, data, len);
        conn->stash->len = len;
        return;
    }
    conn->stash = malloc(sizeof(*conn->stash) + len);
    if (!conn->stash) {
        conn_end(conn, CREW_CLOSE_MEMORY, CREW_ENOMEM);
        return;
    }
    conn->stash->len = conn->stash->capacity = len;
    memcpy(conn->stash->data, data, len);
}

static bool extend_stash(struct crew_conn *conn, const char *data, size_t len) {
    struct stash *stash = conn->stash;
    if (stash->len + len > stash->capacity) {
        size_t capacity = (stash->len + len) * 2;
        stash = realloc(stash, sizeof(*stash) + capacity);
        if (!stash) {
            conn_end(conn, CREW_CLOSE_MEMORY, CREW_ENOMEM);
            return false;
        }
        stash->capacity = capacity;
        conn->stash = stash;
    }
    memcpy(stash->data + stash->len, data, len);
    stash->len += len;
    return true;
}

static size_t stash_limit(const struct crew_conn *conn) {
    return STASH_SPARE + (size_t)conn->worker->plan.service.limits.header_size;
}

/* Give the session what came, behind what it had left. The stash stays where it is while the
 * session reads in it. */
static void feed(struct crew_conn *conn, char *data, size_t len) {
    if (conn->stash) {
        if (len > 0 && !extend_stash(conn, data, len))
            return;
        data = conn->stash->data;
        len = conn->stash->len;
    }
    conn->worker->conns.feeding = conn;
    conn->worker->conns.unread = &len;
    conn->session->receive(conn, &data, &len);
    conn->worker->conns.feeding = NULL;
    if (conn->state > CONN_OPEN) {
        conn_discard_stash(conn);
        return;
    }
    keep(conn, data, len);
    /* What waits may not grow without bound: the rest stays in the kernel, and with it the
     * peer's end, which comes behind what is held back. */
    conn->is_backlogged =
        conn->stash && (conn->holds_back || conn->stash->len > stash_limit(conn));
    if (conn->state <= CONN_OPEN)
        conn_update_poll(conn);
}

void conn_receive(struct crew_conn *conn, char *data, size_t len) {
    bool is_deaf = !conn->session->awaits_goodbye || conn->has_goodbye || conn->is_garbled;
    if (conn->state == CONN_CLOSING && is_deaf)
        return; /* lingering: read and discard until the peer ends */
    conn_cork(conn);
    feed(conn, data, len);
    conn_uncork(conn);
}

static void note_bytes(struct crew_conn *conn, size_t len) {
    conn->bytes_in += len;
    conn->worker->conns.totals.bytes_in += len;
    struct liveness *lists = &conn->worker->reaper.lists;
    if (!liveness_is_fresh(lists, &conn->liveness))
        liveness_touch(lists, &conn->liveness);
}

static void read_end(struct crew_conn *conn) {
    conn->has_eof = true;
    if (conn->out.bytes == 0 || conn->state == CONN_OPENING) {
        conn_end(conn, CREW_CLOSE_PEER, 0);
        return;
    }
    conn_finish(conn, CREW_CLOSE_PEER);
    conn_update_poll(conn);
}

/* Answers how much was received; 0: nothing, or its end. */
static size_t receive_into(struct crew_conn *conn, char *room, size_t size) {
    ssize_t got = recv(conn->fd, room, size, 0);
    if (got > 0) {
        note_bytes(conn, (size_t)got);
        return (size_t)got;
    }
    if (got == 0)
        read_end(conn);
    else if (errno != EAGAIN && errno != EINTR)
        conn_end(conn, CREW_CLOSE_IO, -errno);
    return 0;
}

static size_t want(struct crew_conn *conn, char **room) {
    bool may_want = conn->session->want && !conn->stash && conn->state == CONN_OPEN;
    return may_want ? conn->session->want(conn, room) : 0;
}

/* True if only the beginning of what is there was wanted. */
static bool read_once(struct crew_conn *conn) {
    char *shared = conn->worker->conns.read_buffer, *room = shared;
    size_t size = want(conn, &room);
    size_t got = receive_into(conn, room, size > 0 ? size : CONNS_READ_SIZE);
    if (got == 0)
        return false;
    if (room == shared) {
        conn_receive(conn, room, got);
        return got == size && (conn->polled & UV_READABLE);
    }
    conn->session->filled(conn, got);
    conn_receive(conn, NULL, 0);
    return false;
}

void conn_read(struct crew_conn *conn) {
    if (read_once(conn))
        read_once(conn);
}
