/* SPDX-License-Identifier: MIT
 *
 * See conn_in.h. One read of the transport in a turn of the loop, handed to the protocol; and
 * the stash of what the protocol has left. A read goes into the buffer that all connections
 * share, or straight into a long message where the protocol has room for it.
 */
#include "conn_in.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "conn_close.h"
#include "conn_cork.h"
#include "conn_held.h"
#include "conn_state.h"

/* Keep `len` unconsumed bytes at `data`, which may lie inside the stash itself. */
static void keep(struct crew_conn *conn, const char *data, size_t len) {
    if (len == 0) {
        if (conn->stash)
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

/* What has begun must come on, unless it waits here for us. The sum of its bytes may pass 32
 * bits; then its time only begins anew. */
static void watch_message(struct crew_conn *conn) {
    const struct protocol *protocol = conn->protocol;
    int64_t got = protocol->unfinished && !conn->stash ? protocol->unfinished(conn) : -1;
    bool is_awaited = conn->awaits == DEADLINE_MESSAGE;
    if (got < 0 && !is_awaited)
        return;
    if (got < 0) {
        conn_await(conn, DEADLINE_NONE);
    } else if (!is_awaited || (uint32_t)got < conn->liveness.seen) {
        conn->liveness.seen = (uint32_t)got;
        conn_await(conn, DEADLINE_MESSAGE);
    }
}

/* Give the protocol what came, behind what it had left. The stash stays where it is while the
 * protocol reads in it. */
static void feed(struct crew_conn *conn, char *data, size_t len) {
    if (conn->stash) {
        if (len > 0 && !extend_stash(conn, data, len))
            return;
        data = conn->stash->data;
        len = conn->stash->len;
    }
    struct conns *conns = conns_of(conn);
    conns->feeding = conn;
    conns->unread = &len;
    conn->protocol->receive(conn, &data, &len);
    conns->feeding = NULL;
    if (conn->state > CONN_OPEN) {
        conn_discard_stash(conn);
        return;
    }
    keep(conn, data, len);
    /* What waits may not grow without bound: the rest stays in the kernel, and with it the
     * peer's end, which comes behind what is held back. */
    conn->is_backlogged =
        conn->stash &&
        (conn->holds_back || conn->stash->len > conn->endpoint->settings.stash_max);
    if (conn->state > CONN_OPEN)
        return;
    conn_update_poll(conn);
    if (conn->as.first || conn->awaits == DEADLINE_MESSAGE || conn->protocol->begins_without)
        watch_message(conn);
}

void conn_receive(struct crew_conn *conn, char *data, size_t len) {
    bool is_deaf = !conn->protocol->awaits_goodbye || conn->has_goodbye || conn->is_garbled;
    if (conn->state == CONN_CLOSING && is_deaf)
        return; /* lingering: read and discard until the peer ends */
    conn_cork(conn);
    feed(conn, data, len);
    conn_count_held(conn);
    conn_uncork(conn);
}

static void note_bytes(struct crew_conn *conn, size_t len) {
    conn->bytes_in += len;
    conns_of(conn)->totals.bytes_in += len;
    struct liveness *lists = &conn->endpoint->reaper.lists;
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

void conn_hang_up(struct crew_conn *conn) {
    const struct transport *transport = conn->endpoint->transport;
    int error = transport->error ? transport->error(conn) : 0;
    if (error)
        conn_end(conn, CREW_CLOSE_IO, error);
    else if (conn_has_rest(conn) || transport->has_unread(conn))
        conn_note_hang_up(conn);
    else
        read_end(conn);
}

/* Answers how much was received; 0: nothing, or its end. */
static size_t receive_into(struct crew_conn *conn, char *room, size_t size) {
    ssize_t got = conn->endpoint->transport->read(conn, room, size);
    if (got > 0) {
        note_bytes(conn, (size_t)got);
        return (size_t)got;
    }
    if (got == 0)
        read_end(conn);
    else if (got != -EAGAIN)
        conn_end(conn, CREW_CLOSE_IO, (int)got);
    return 0;
}

static size_t want(struct crew_conn *conn, char **room) {
    bool may_want = conn->protocol->want && !conn->stash && conn->state == CONN_OPEN;
    return may_want ? conn->protocol->want(conn, room) : 0;
}

/* True if only the beginning of what is there was wanted. */
static bool read_once(struct crew_conn *conn) {
    char *shared = conns_of(conn)->read_buffer, *room = shared;
    size_t size = want(conn, &room);
    size_t got = receive_into(conn, room, size > 0 ? size : CONNS_READ_SIZE);
    if (got == 0) {
        conn_count_held(conn); /* the room */
        return false;
    }
    if (room == shared) {
        conn_receive(conn, room, got);
        return got == size && (conn->polled & POLLER_READABLE);
    }
    conn->protocol->filled(conn, got);
    conn_receive(conn, NULL, 0);
    return false;
}

void conn_read(struct crew_conn *conn) {
    const struct transport *transport = conn->endpoint->transport;
    for (int i = 0; i < 2; i++) /* once more where only the beginning was wanted */
        if (!read_once(conn))
            break;
    if (transport->has_more && conn->state != CONN_ENDED && transport->has_more(conn))
        conns_later(conn);
}

/* Read exactly `len` bytes that are known to be there, behind what the stash has of the
 * preface.
 */
static int take_preface(struct crew_conn *conn, size_t len) {
    char *room = conns_of(conn)->read_buffer;
    ssize_t got = recv(conn->fd, room, len, 0);
    if (got != (ssize_t)len)
        return got < 0 ? -errno : -EPROTO;
    conns_of(conn)->totals.bytes_in += len;
    conn->bytes_in += len;
    if (conn->stash)
        return extend_stash(conn, room, len) ? 0 : -ENOMEM;
    keep(conn, room, len);
    return conn->stash ? 0 : -ENOMEM;
}

/* What is only looked at stays announced: as long as the preface is not whole all of it is
 * ours, and is read. */
int conn_read_preface(struct crew_conn *conn) {
    char *room = conns_of(conn)->read_buffer;
    size_t have = conn->stash ? conn->stash->len : 0;
    if (have > 0)
        memcpy(room, conn->stash->data, have);
    ssize_t got = recv(conn->fd, room + have, CONNS_READ_SIZE - have, MSG_PEEK);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    if (got == 0)
        return -ECONNRESET;
    int used = conn->endpoint->preface->take(conn, room, have + (size_t)got);
    if (used < 0)
        return -EPROTO;
    int err = take_preface(conn, used == 0 ? (size_t)got : (size_t)used - have);
    if (err)
        return err;
    if (used > 0)
        conn_discard_stash(conn);
    conn_count_held(conn);
    return used > 0;
}
