/* SPDX-License-Identifier: MIT
 *
 * See conn_file.h. Only what is shorter than a copy is worth is read here.
 */
#include "conn_file.h"

#include <errno.h>
#include <unistd.h>

#include "conn_cork.h"
#include "conn_outgoing.h"
#include "conn_state.h"

/* Below, one copy is cheaper than a queued file and keeps the answer in one packet. */
#define FILE_COPY_MAX 16384u

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
    return conn_cork_write(conn, &(struct outgoing){.parts = &part, .count = 1}, len);
}

int conn_write_file(struct crew_conn *conn, struct source *source, uint64_t offset,
                    size_t len) {
    if (conn->state > CONN_OPEN)
        return CREW_ECLOSED;
    if (len == 0)
        return CREW_SENT;
    if (len <= FILE_COPY_MAX)
        return copy_file(conn, source, offset, len);
    if (conn_cork_queue(conn) != 0 ||
        sendq_append_file(&conn->out, &conns_of(conn)->budget, source, offset, len) != 0) {
        conn_end(conn, CREW_CLOSE_MEMORY, CREW_ENOMEM);
        return CREW_ECLOSED;
    }
    return CREW_SENT;
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
    return conn->state > CONN_OPEN ? CREW_ECLOSED : CREW_SENT;
}
