/* SPDX-License-Identifier: MIT
 *
 * The way out of a connection. While it is corked (during one read event) small sends gather in
 * the worker's cork buffer and leave in one write; otherwise a send goes straight to the
 * kernel; what the kernel does not take is queued, and the loop watches for room. High-water
 * mark: half of max_send_buffer, on_buffer_full above it, on_buffer_drain at empty.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "worker.h"

#define PARTS_MAX 16

/* Below, one copy is cheaper than a queued file and keeps the answer in one packet. */
#define FILE_COPY_MAX 16384u

/* What one connection may send of files in one turn of the loop: its peer may be as fast as we
 * are, and others wait. */
#define FILE_TURN_MAX (1024u * 1024u)

/* From here on a copy costs more than it saves, if it saves no write. */
#define DIRECT_MIN ((size_t)8 * 1024u)

static size_t total_of(const struct iovec *parts, int count) {
    size_t total = 0;
    for (int i = 0; i < count; i++)
        total += parts[i].iov_len;
    return total;
}

static struct conns *conns_of(const struct crew_conn *conn) {
    return &conn->worker->conns;
}

static bool is_corked(const struct crew_conn *conn) {
    return conns_of(conn)->corked == conn;
}

/* Of what is queued, that which lies in memory. */
static size_t held_bytes(const struct crew_conn *conn) {
    return conn->out.bytes - conn->out.file_bytes;
}

static size_t send_limit(const struct crew_conn *conn) {
    return (size_t)conn->worker->plan.service.limits.max_send_buffer;
}

static ssize_t note_sent(struct crew_conn *conn, ssize_t sent) {
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : -errno;
    conn->bytes_out += (uint64_t)sent;
    conns_of(conn)->totals.bytes_out += (uint64_t)sent;
    return sent;
}

/* What the kernel took, 0 when it has no room, or a negative errno number. */
static ssize_t send_parts(struct crew_conn *conn, struct iovec *parts, int count, int flags) {
    flags |= MSG_NOSIGNAL;
    if (count == 1)
        return note_sent(conn, send(conn->fd, parts[0].iov_base, parts[0].iov_len, flags));
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)count};
    return note_sent(conn, sendmsg(conn->fd, &message, flags));
}

/* The same of a file. At its end before `len` there is nothing to be waited for: -EIO. */
static ssize_t send_file(struct crew_conn *conn, int fd, uint64_t offset, size_t len) {
    off_t at = (off_t)offset;
    ssize_t sent = sendfile(conn->fd, fd, &at, len);
    return sent == 0 ? -EIO : note_sent(conn, sent);
}

static int check_high_water(struct crew_conn *conn) {
    struct worker *worker = conn->worker;
    if (held_bytes(conn) <= send_limit(conn) / 2)
        return CREW_SENT;
    if (!conn->is_over && conn->state <= CONN_OPEN) {
        conn->is_over = true;
        if (worker->app->on_buffer_full) {
            struct guard_entry entry = guard_enter(worker, SCORE_IN_BUFFER_FULL);
            worker->app->on_buffer_full(conn);
            guard_leave(worker, entry);
        }
    }
    return CREW_QUEUED;
}

bool conn_is_taking(struct crew_conn *conn) {
    int left = 0;
    uint32_t before = conn->unacknowledged;
    if (ioctl(conn->fd, SIOCOUTQ, &left) != 0)
        return false;
    conn->unacknowledged = (uint32_t)left;
    return conn->unacknowledged < before;
}

/* A peer that takes its answer slowly is waited for as long as it takes some of it. */
static void note_progress(struct crew_conn *conn) {
    if (conn->state != CONN_CLOSING &&
        (conn->state != CONN_OPEN || conn->session->has_heartbeat))
        return;
    (void)conn_is_taking(conn);
    conn_restart_deadline(conn);
}

static int enqueue(struct crew_conn *conn, const struct iovec *parts, int count, size_t skip) {
    bool was_empty = conn->out.bytes == 0;
    if (sendq_append(&conn->out, parts, count, skip) != 0)
        return CREW_ENOMEM;
    if (conn->state != CONN_ENDED) {
        if (was_empty) /* more of ours is no sign of life of the peer */
            note_progress(conn);
        conn_update_poll(conn);
    }
    return check_high_water(conn);
}

/* The queue is empty: straight to the kernel. Once a byte has gone the rest must be kept, or
 * the stream is broken. */
static int write_now(struct crew_conn *conn, struct iovec *parts, int count) {
    size_t total = total_of(parts, count);
    ssize_t sent = send_parts(conn, parts, count, 0);
    if (sent < 0) {
        conn_end(conn, CREW_CLOSE_IO, (int)sent);
        return CREW_ECLOSED;
    }
    if ((size_t)sent == total)
        return CREW_SENT;
    int result = enqueue(conn, parts, count, (size_t)sent);
    if (result == CREW_ENOMEM)
        conn_end(conn, CREW_CLOSE_MEMORY, CREW_ENOMEM);
    return result;
}

static void gather(struct conns *conns, const struct iovec *parts, int count) {
    for (int i = 0; i < count; i++) {
        memcpy(conns->cork_buffer + conns->cork_len, parts[i].iov_base, parts[i].iov_len);
        conns->cork_len += parts[i].iov_len;
    }
}

/* Nothing is left to read whose answers could share its write. */
static bool is_last_large(const struct crew_conn *conn, size_t total) {
    const struct conns *conns = conns_of(conn);
    return total >= DIRECT_MIN && conns->feeding == conn && *conns->unread == 0;
}

/* Not for the cork buffer: that goes first, and `parts` with it, uncopied, in the same
 * write. */
static int write_through_cork(struct crew_conn *conn, const struct iovec *parts, int count) {
    struct conns *conns = conns_of(conn);
    struct iovec all[PARTS_MAX];
    int n = 0;
    if (conns->cork_len > 0)
        all[n++] = (struct iovec){.iov_base = conns->cork_buffer, .iov_len = conns->cork_len};
    memcpy(all + n, parts, (size_t)count * sizeof(*parts));
    conns->cork_len = 0;
    return write_now(conn, all, n + count);
}

static int write_parts(struct crew_conn *conn, const struct iovec *parts, int count,
                       size_t total) {
    struct conns *conns = conns_of(conn);
    if (conn->out.bytes > 0 || conn->state == CONN_OPENING)
        return enqueue(conn, parts, count, 0);
    if (!is_corked(conn)) {
        struct iovec copy[PARTS_MAX];
        memcpy(copy, parts, (size_t)count * sizeof(*parts));
        return write_now(conn, copy, count);
    }
    if (conns->cork_len + total <= CONNS_CORK_SIZE && !is_last_large(conn, total)) {
        gather(conns, parts, count);
        return CREW_SENT;
    }
    return write_through_cork(conn, parts, count);
}

static int note_message(struct crew_conn *conn, int result) {
    if (result >= 0) {
        conn->messages_out++;
        conns_of(conn)->totals.messages_out++;
    }
    return result;
}

bool conn_fits(const struct crew_conn *conn, size_t len) {
    return conn->out.bytes == 0 || held_bytes(conn) + len <= send_limit(conn);
}

int conn_write(struct crew_conn *conn, const struct iovec *parts, int count) {
    size_t total = total_of(parts, count);
    int result = CREW_ECLOSED;
    if (conn->session->is_datagram)
        return udp_write(conn, parts, count);
    if (conn->state <= CONN_OPEN) {
        result = conn_fits(conn, total) ? write_parts(conn, parts, count, total) : CREW_EFULL;
    }
    if (result < 0)
        conns_of(conn)->totals.send_failures++;
    return note_message(conn, result);
}

char *conn_gather(struct crew_conn *conn, size_t size) {
    struct conns *conns = conns_of(conn);
    if (!is_corked(conn) || conn->out.bytes > 0 || conn->state != CONN_OPEN ||
        size >= DIRECT_MIN || size > CONNS_CORK_SIZE - conns->cork_len)
        return NULL;
    return conns->cork_buffer + conns->cork_len;
}

int conn_gathered(struct crew_conn *conn, size_t len) {
    struct conns *conns = conns_of(conn);
    conns->cork_len += len;
    return note_message(conn, CREW_SENT);
}

int conn_write_answer(struct crew_conn *conn, const struct iovec *parts, int count) {
    if (conn->state > CONN_OPEN)
        return CREW_ECLOSED;
    return note_message(conn, write_parts(conn, parts, count, total_of(parts, count)));
}

/* A peer that makes us answer and does not read would grow the queue: while it takes what was
 * there at first, so much may come behind that, and no more. What the app has queued is not the
 * peer's doing. */
static bool is_flooded(struct crew_conn *conn, size_t len) {
    if (conn->out.bytes == 0 || conn->bytes_out >= conn->control_until) {
        conn->control_queued = 0;
        conn->control_until = conn->bytes_out + conn->out.bytes;
    }
    conn->control_queued += (uint32_t)len;
    return conn->control_queued > CONNS_CORK_SIZE;
}

int conn_write_control(struct crew_conn *conn, const void *data, size_t len) {
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
    if (conn->state == CONN_ENDED)
        return CREW_ECLOSED;
    if (is_flooded(conn, len)) {
        conn_end(conn, CREW_CLOSE_LIMIT, CREW_EFULL);
        return CREW_ECLOSED;
    }
    return write_parts(conn, &part, 1, len);
}

void conn_cork(struct crew_conn *conn) {
    conns_of(conn)->corked = conn;
    conns_of(conn)->cork_len = 0;
}

void conn_uncork(struct crew_conn *conn) {
    struct conns *conns = conns_of(conn);
    struct iovec part = {.iov_base = conns->cork_buffer, .iov_len = conns->cork_len};
    conns->corked = NULL;
    conns->cork_len = 0;
    if (part.iov_len > 0 && conn->state != CONN_ENDED)
        (void)write_now(conn, &part, 1);
}

void conn_tell_drained(struct crew_conn *conn) {
    struct worker *worker = conn->worker;
    if (!conn->is_over || conn->out.bytes > 0 || conn->state == CONN_OPENING)
        return;
    conn->is_over = false;
    if (worker->app->on_buffer_drain && conn->state == CONN_OPEN) {
        struct guard_entry entry = guard_enter(worker, SCORE_IN_BUFFER_DRAIN);
        worker->app->on_buffer_drain(conn);
        guard_leave(worker, entry);
    }
}

/* What gathered in the cork goes before what is queued now. */
static int queue_cork(struct crew_conn *conn) {
    struct conns *conns = conns_of(conn);
    if (!is_corked(conn) || conns->cork_len == 0)
        return 0;
    const struct iovec part = {.iov_base = conns->cork_buffer, .iov_len = conns->cork_len};
    conns->cork_len = 0;
    return sendq_append(&conn->out, &part, 1, 0);
}

static int copy_file(struct crew_conn *conn, const struct source *source, uint64_t offset,
                     size_t len) {
    char bytes[FILE_COPY_MAX];
    ssize_t got;
    do
        got = pread(source->fd, bytes, len, (off_t)offset);
    while (got < 0 && errno == EINTR);
    if (got != (ssize_t)len) {
        conn_end(conn, CREW_CLOSE_IO, got < 0 ? -errno : -EIO);
        return CREW_ECLOSED;
    }
    const struct iovec part = {.iov_base = bytes, .iov_len = len};
    return write_parts(conn, &part, 1, len);
}

int conn_write_file(struct crew_conn *conn, struct source *source, uint64_t offset,
                    size_t len) {
    if (conn->state > CONN_OPEN)
        return CREW_ECLOSED;
    if (len == 0)
        return CREW_SENT;
    if (len <= FILE_COPY_MAX)
        return copy_file(conn, source, offset, len);
    if (queue_cork(conn) != 0 || sendq_append_file(&conn->out, source, offset, len) != 0) {
        conn_end(conn, CREW_CLOSE_MEMORY, CREW_ENOMEM);
        return CREW_ECLOSED;
    }
    return CREW_SENT;
}

/* What comes first in the queue. Answers what the kernel took of `*out_offered`, or a negative
 * errno number. */
static ssize_t send_first(struct crew_conn *conn, size_t *out_offered) {
    struct iovec parts[PARTS_MAX];
    int fd;
    uint64_t offset;
    size_t len;
    if (sendq_peek_file(&conn->out, &fd, &offset, &len)) {
        *out_offered = len < FILE_TURN_MAX ? len : FILE_TURN_MAX;
        return send_file(conn, fd, offset, *out_offered);
    }
    int count = sendq_peek(&conn->out, parts, PARTS_MAX);
    *out_offered = total_of(parts, count);
    bool has_more = *out_offered < conn->out.bytes;
    return send_parts(conn, parts, count, has_more ? MSG_MORE : 0);
}

void conn_flush(struct crew_conn *conn) {
    size_t in_turn = 0;
    bool has_sent = false;
    while (conn->out.bytes > 0 && in_turn < FILE_TURN_MAX) {
        size_t offered;
        bool is_file = conn->out.file_bytes > 0;
        ssize_t sent = send_first(conn, &offered);
        if (sent < 0) {
            conn_end(conn, CREW_CLOSE_IO, (int)sent);
            return;
        }
        sendq_drop(&conn->out, (size_t)sent);
        has_sent = has_sent || sent > 0;
        if ((size_t)sent < offered)
            break;
        in_turn += is_file ? (size_t)sent : 0;
    }
    if (has_sent)
        note_progress(conn);
    if (conn->out.bytes == 0) {
        conn_tell_drained(conn);
        if (conn->session->drained && conn->state == CONN_OPEN && conn->out.bytes == 0)
            conn->session->drained(conn);
    }
    if (conn->state != CONN_ENDED)
        conn_update_poll(conn);
}

int conn_flush_files(struct crew_conn *conn) {
    if (conn->state > CONN_OPEN)
        return CREW_ECLOSED;
    if (conn->out.file_bytes == 0)
        return CREW_SENT;
    /* An app that waits for on_buffer_drain shall not hear of it inside of its own call. */
    if (conn->is_over) {
        conn_update_poll(conn);
        return CREW_SENT;
    }
    conn_flush(conn);
    /* The kernel may have had no room at all: then nothing else has set the deadline. */
    conn_check_deadline(conn);
    return conn->state > CONN_OPEN ? CREW_ECLOSED : CREW_SENT;
}
