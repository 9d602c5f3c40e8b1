/* SPDX-License-Identifier: MIT
 *
 * See conn_out.h. Who is being read from gathers in the cork buffer, which leaves when its read
 * is over. What is sent to any other connection gathers in its queue, and leaves in one write
 * at the end of the turn (conn_flush_gathered()). What the kernel does not take then stays
 * queued, and the poller watches for room. High-water mark: half of max_send_buffer,
 * on_buffer_full above it, on_buffer_drain at empty; a write has been tried before either.
 */
#include "conn_out.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "conn_state.h"

/* Of one write. */
#define PARTS_MAX 64

/* Below, one copy is cheaper than a queued file and keeps the answer in one packet. */
#define FILE_COPY_MAX 16384u

/* What one connection may send of files in one turn of the loop: its peer may be as fast as we
 * are, and others wait. */
#define FILE_TURN_MAX (1024u * 1024u)

/* From here on a copy costs more than it saves, if it saves no write. */
#define DIRECT_MIN ((size_t)8 * 1024u)

/* What is to be sent as one piece. `shared`: `parts` is all of this buffer, of which a queue
 * takes a reference in place of a copy. */
struct output {
    const struct iovec *parts;
    int count;
    struct buf *shared;
};

static size_t total_of(const struct iovec *parts, int count) {
    size_t total = 0;
    for (int i = 0; i < count; i++)
        total += parts[i].iov_len;
    return total;
}

static bool is_corked(const struct crew_conn *conn) {
    return conns_of(conn)->corked == conn;
}

/* Of what is queued, that which lies in memory. */
static size_t held_bytes(const struct crew_conn *conn) {
    return conn->out.bytes - conn->out.file_bytes;
}

static size_t send_limit(const struct crew_conn *conn) {
    return conn->endpoint->settings.max_send_buffer;
}

bool conn_has_unsent(const struct crew_conn *conn) {
    return conn->out.bytes > 0 || (is_corked(conn) && conns_of(conn)->cork_len > 0);
}

static ssize_t note_sent(struct crew_conn *conn, ssize_t sent) {
    if (sent > 0) {
        conn->bytes_out += (uint64_t)sent;
        conns_of(conn)->totals.bytes_out += (uint64_t)sent;
    }
    return sent;
}

/* What the transport took, 0 when it has no room, or a negative error. */
static ssize_t send_parts(struct crew_conn *conn, const struct iovec *parts, int count,
                          bool has_more) {
    return note_sent(conn, conn->endpoint->transport->write(conn, parts, count, has_more));
}

static ssize_t send_file(struct crew_conn *conn, int fd, uint64_t offset, size_t len) {
    return note_sent(conn, conn->endpoint->transport->send_file(conn, fd, offset, len));
}

static int check_high_water(struct crew_conn *conn) {
    if (held_bytes(conn) <= send_limit(conn) / 2)
        return CREW_SENT;
    if (!conn->is_over && conn->state <= CONN_OPEN) {
        conn->is_over = true;
        conn->endpoint->handler->buffer_full(conn);
    }
    return CREW_QUEUED;
}

bool conn_is_taking(struct crew_conn *conn) {
    uint32_t before = conn->unacknowledged;
    int64_t left = conn->endpoint->transport->unsent(conn);
    if (left < 0)
        return false;
    conn->unacknowledged = (uint32_t)left;
    return conn->unacknowledged < before;
}

/* A peer that takes its answer slowly is waited for as long as it takes some of it. */
static void note_progress(struct crew_conn *conn) {
    if (conn->state != CONN_CLOSING &&
        (conn->state != CONN_OPEN || conn->protocol->has_heartbeat))
        return;
    (void)conn_is_taking(conn);
    conn_restart_deadline(conn);
}

static int append(struct crew_conn *conn, const struct output *output, size_t skip) {
    return output->shared ? sendq_append_buf(&conn->out, output->shared, skip)
                          : sendq_append(&conn->out, output->parts, output->count, skip);
}

static int enqueue(struct crew_conn *conn, const struct output *output, size_t skip) {
    bool was_empty = conn->out.bytes == 0;
    if (append(conn, output, skip) != 0)
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
static int write_now(struct crew_conn *conn, const struct output *output) {
    size_t total = total_of(output->parts, output->count);
    ssize_t sent = send_parts(conn, output->parts, output->count, false);
    if (sent < 0) {
        conn_end(conn, CREW_CLOSE_IO, (int)sent);
        return CREW_ECLOSED;
    }
    if ((size_t)sent == total)
        return CREW_SENT;
    int result = enqueue(conn, output, (size_t)sent);
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
static int write_through_cork(struct crew_conn *conn, const struct output *output) {
    struct conns *conns = conns_of(conn);
    struct iovec all[PARTS_MAX];
    if (conns->cork_len == 0)
        return write_now(conn, output);
    all[0] = (struct iovec){.iov_base = conns->cork_buffer, .iov_len = conns->cork_len};
    memcpy(all + 1, output->parts, (size_t)output->count * sizeof(*all));
    conns->cork_len = 0;
    return write_now(conn, &(struct output){.parts = all, .count = output->count + 1});
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
    return send_parts(conn, parts, count, has_more);
}

/* Answers whether anything went. */
static bool send_queued(struct crew_conn *conn) {
    size_t in_turn = 0;
    bool has_sent = false;
    while (conn->out.bytes > 0 && in_turn < FILE_TURN_MAX) {
        size_t offered;
        bool is_file = conn->out.file_bytes > 0;
        ssize_t sent = send_first(conn, &offered);
        if (sent < 0) {
            conn_end(conn, CREW_CLOSE_IO, (int)sent);
            return false;
        }
        sendq_drop(&conn->out, (size_t)sent);
        has_sent = has_sent || sent > 0;
        if ((size_t)sent < offered)
            break;
        in_turn += is_file ? (size_t)sent : 0;
    }
    return has_sent;
}

void conn_tell_drained(struct crew_conn *conn) {
    if (!conn->is_over || conn->out.bytes > 0 || conn->state == CONN_OPENING)
        return;
    conn->is_over = false;
    if (conn->state == CONN_OPEN)
        conn->endpoint->handler->buffer_drain(conn);
}

/* `tells`: also the app, that all has gone. */
static void flush(struct crew_conn *conn, bool tells) {
    bool was_gathering = conn->is_gathering;
    conn->is_gathering = false;
    bool has_sent = send_queued(conn);
    if (conn->state == CONN_ENDED)
        return;
    /* What nobody has waited for yet is no progress; what is left of it begins to wait. */
    if (was_gathering ? conn->out.bytes > 0 : has_sent)
        note_progress(conn);
    if (conn->out.bytes == 0) {
        if (tells)
            conn_tell_drained(conn);
        if (conn->protocol->drained && conn->state == CONN_OPEN && conn->out.bytes == 0)
            conn->protocol->drained(conn);
    }
    if (conn->state != CONN_ENDED)
        conn_update_poll(conn);
}

void conn_flush(struct crew_conn *conn) {
    flush(conn, true);
}

/* For what is sent now. The app shall not hear of on_buffer_drain inside of its own call: what
 * it sends there would overtake this. That is due only in on_open, and then comes behind it. */
static void flush_before(struct crew_conn *conn) {
    flush(conn, false);
}

/* Straight through what is gathered: it left just now, or the queue has it. */
static int write_behind(struct crew_conn *conn, const struct output *output) {
    flush_before(conn);
    if (conn->state == CONN_ENDED)
        return CREW_ECLOSED;
    return conn->out.bytes > 0 ? enqueue(conn, output, 0) : write_now(conn, output);
}

/* Kept until the end of the turn. A high-water mark below the bound of gathering counts for
 * what the kernel has refused, so that is asked first. */
static int gather_in_queue(struct crew_conn *conn, const struct output *output, size_t total) {
    if (conn->out.bytes + total > CONNS_CORK_SIZE || !conns_gather(conn))
        return write_behind(conn, output);
    if (append(conn, output, 0) != 0)
        return CREW_ENOMEM;
    conn->is_gathering = true;
    if (held_bytes(conn) <= send_limit(conn) / 2)
        return CREW_SENT;
    flush_before(conn);
    return conn->state == CONN_ENDED ? CREW_ECLOSED : check_high_water(conn);
}

static int write_output(struct crew_conn *conn, const struct output *output, size_t total) {
    struct conns *conns = conns_of(conn);
    if (conn->state == CONN_OPENING || (conn->out.bytes > 0 && !conn->is_gathering))
        return enqueue(conn, output, 0);
    if (conn->is_gathering || !is_corked(conn))
        return gather_in_queue(conn, output, total);
    if (conns->cork_len + total <= CONNS_CORK_SIZE && !is_last_large(conn, total)) {
        gather(conns, output->parts, output->count);
        return CREW_SENT;
    }
    return write_through_cork(conn, output);
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

/* Whole or not at all. One that is lent for a datagram has no id and is ENDED from the start.
 */
static int write_message(struct crew_conn *conn, const struct iovec *parts, int count) {
    bool is_over = conn->id != 0 && conn->state > CONN_OPEN;
    ssize_t sent = is_over ? CREW_ECLOSED : send_parts(conn, parts, count, false);
    return sent < 0 ? (int)sent : CREW_SENT;
}

static int write_stream(struct crew_conn *conn, const struct output *output) {
    size_t total = total_of(output->parts, output->count);
    if (conn->is_gathering && !conn_fits(conn, total))
        flush_before(conn);
    if (conn->state > CONN_OPEN)
        return CREW_ECLOSED;
    return conn_fits(conn, total) ? write_output(conn, output, total) : CREW_EFULL;
}

static int write_any(struct crew_conn *conn, const struct output *output) {
    int result = conn->endpoint->transport->keeps_boundaries
                     ? write_message(conn, output->parts, output->count)
                     : write_stream(conn, output);
    if (result < 0)
        conns_of(conn)->totals.send_failures++;
    return note_message(conn, result);
}

int conn_write(struct crew_conn *conn, const struct iovec *parts, int count) {
    return write_any(conn, &(struct output){.parts = parts, .count = count});
}

int conn_write_shared(struct crew_conn *conn, struct buf *buf) {
    const struct iovec part = {.iov_base = buf->data, .iov_len = buf->len};
    return write_any(conn, &(struct output){.parts = &part, .count = 1, .shared = buf});
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
    const struct output output = {.parts = parts, .count = count};
    return note_message(conn, write_output(conn, &output, total_of(parts, count)));
}

/* A peer that makes us answer and does not read would grow the queue: while it takes what was
 * there at first, so much may come behind that, and no more. What the app has queued is not the
 * peer's doing. */
static bool is_flooded(struct crew_conn *conn, size_t len) {
    if (conn->out.bytes == 0 || conn->is_gathering || conn->bytes_out >= conn->control_until) {
        conn->control_queued = 0;
        conn->control_until = conn->bytes_out + conn->out.bytes;
    }
    conn->control_queued += (uint32_t)len;
    return conn->control_queued > CONNS_CORK_SIZE;
}

int conn_write_control(struct crew_conn *conn, const void *data, size_t len) {
    const struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
    if (conn->state == CONN_ENDED)
        return CREW_ECLOSED;
    if (is_flooded(conn, len)) {
        conn_end(conn, CREW_CLOSE_LIMIT, CREW_EFULL);
        return CREW_ECLOSED;
    }
    return write_output(conn, &(struct output){.parts = &part, .count = 1}, len);
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
    if (part.iov_len == 0)
        return;
    if (conn->state == CONN_ENDED) /* it was accepted before the end came */
        (void)send_parts(conn, &part, 1, false);
    else
        (void)write_now(conn, &(struct output){.parts = &part, .count = 1});
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
    return write_output(conn, &(struct output){.parts = &part, .count = 1}, len);
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

void conn_flush_last(struct crew_conn *conn) {
    struct iovec parts[PARTS_MAX];
    ssize_t sent = conn->is_gathering;
    conn->is_gathering = false;
    while (sent > 0) {
        int count = sendq_peek(&conn->out, parts, PARTS_MAX);
        sent = count > 0 ? send_parts(conn, parts, count, false) : 0;
        if (sent > 0)
            sendq_drop(&conn->out, (size_t)sent);
    }
}

void conn_flush_gathered(struct crew_conn *conn) {
    if (conn->is_gathering && conn->state != CONN_ENDED)
        conn_flush(conn);
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
