/* SPDX-License-Identifier: MIT
 *
 * See conn_cork.h. Owns the cork buffer, which is that of whoever is being read and leaves when
 * that read is over. What is sent to any other connection leaves at the end of the turn, by
 * conn_flush_gathered(). What is queued for the kernel already goes first; nothing gathers
 * behind it.
 */
#include "conn_cork.h"

#include <string.h>

#include "conn_outgoing.h"
#include "conn_state.h"

/* From here on a copy costs more than it saves, if it saves no write. */
#define DIRECT_MIN ((size_t)8 * 1024u)

static bool is_corked(const struct crew_conn *conn) {
    return conns_of(conn)->corked == conn;
}

bool conn_has_unsent(const struct crew_conn *conn) {
    return conn->out.bytes > 0 || (is_corked(conn) && conns_of(conn)->cork_len > 0);
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
        (void)outgoing_send(conn, &part, 1, false);
    else
        (void)outgoing_write(conn, &(struct outgoing){.parts = &part, .count = 1});
}

int conn_cork_queue(struct crew_conn *conn) {
    struct conns *conns = conns_of(conn);
    if (!is_corked(conn) || conns->cork_len == 0)
        return 0;
    const struct iovec part = {.iov_base = conns->cork_buffer, .iov_len = conns->cork_len};
    conns->cork_len = 0;
    return sendq_append(&conn->out, &conns->budget, &part, 1, 0);
}

char *conn_gather(struct crew_conn *conn, size_t size) {
    struct conns *conns = conns_of(conn);
    if (!is_corked(conn) || conn->out.bytes > 0 || conn->state != CONN_OPEN ||
        size >= DIRECT_MIN || conns->cork_len + size > conn->endpoint->cork_max)
        return NULL;
    return conns->cork_buffer + conns->cork_len;
}

int conn_gathered(struct crew_conn *conn, size_t len) {
    struct conns *conns = conns_of(conn);
    conns->cork_len += len;
    return outgoing_note_message(conn, CREW_SENT);
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
static int write_through_cork(struct crew_conn *conn, const struct outgoing *outgoing) {
    struct conns *conns = conns_of(conn);
    struct iovec all[OUTGOING_PARTS_MAX];
    if (conns->cork_len == 0)
        return outgoing_write(conn, outgoing);
    all[0] = (struct iovec){.iov_base = conns->cork_buffer, .iov_len = conns->cork_len};
    memcpy(all + 1, outgoing->parts, (size_t)outgoing->count * sizeof(*all));
    conns->cork_len = 0;
    return outgoing_write(conn, &(struct outgoing){.parts = all, .count = outgoing->count + 1});
}

/* Straight through what is gathered: it left just now, or the queue has it. */
static int write_behind(struct crew_conn *conn, const struct outgoing *outgoing) {
    conn_flush_before(conn);
    if (conn->state == CONN_ENDED)
        return CREW_ECLOSED;
    return conn->out.bytes > 0 ? conn_queue(conn, outgoing, 0) : outgoing_write(conn, outgoing);
}

/* Kept until the end of the turn. A high-water mark below the bound of gathering counts for
 * what the kernel has refused, so that is asked first. */
static int gather_in_queue(struct crew_conn *conn, const struct outgoing *outgoing,
                           size_t total) {
    if (conn->out.bytes + total > CONNS_CORK_SIZE || !conns_gather(conn))
        return write_behind(conn, outgoing);
    if (outgoing_append(conn, outgoing, 0) != 0)
        return CREW_ENOMEM;
    conn->is_gathering = true;
    if (conn_is_below_mark(conn))
        return CREW_SENT;
    conn_flush_before(conn);
    return conn->state == CONN_ENDED ? CREW_ECLOSED : conn_check_mark(conn);
}

int conn_cork_write(struct crew_conn *conn, const struct outgoing *outgoing, size_t total) {
    struct conns *conns = conns_of(conn);
    if (conn->state == CONN_OPENING || (conn->out.bytes > 0 && !conn->is_gathering))
        return conn_queue(conn, outgoing, 0);
    if (conn->is_gathering || !is_corked(conn))
        return gather_in_queue(conn, outgoing, total);
    if (conns->cork_len + total <= conn->endpoint->cork_max && !is_last_large(conn, total)) {
        gather(conns, outgoing->parts, outgoing->count);
        return CREW_SENT;
    }
    return write_through_cork(conn, outgoing);
}

void conn_flush_gathered(struct crew_conn *conn) {
    if (conn->is_gathering && conn->state != CONN_ENDED)
        conn_flush(conn);
}
