/* SPDX-License-Identifier: MIT
 *
 * A transport moves the bytes of one connection: tcp (also unix sockets), datagram, memory (in
 * tests). It knows no protocol, and ends no connection: it answers, and conn.c decides. What it
 * keeps for a connection lies behind the struct crew_conn in the same allocation (`conn_size`).
 */
#ifndef CREWMAN_TRANSPORT_H
#define CREWMAN_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct crew_addr;
struct crew_conn;

struct transport {
    const char *name;
    size_t conn_size; /* of the connection with what the transport keeps for it */

    /* A write is one message, which goes whole or not at all: it is never gathered with others,
     * and never queued. */
    bool keeps_boundaries;

    /* Go on with the transport's own handshake: 1 it is done, and the protocol may begin; 0 it
     * goes on at the next event; or a negative error. */
    int (*start)(struct crew_conn *conn);

    /* How many bytes came, at least 1; 0 at the peer's end; -EAGAIN when there are none now, or
     * another negative error. */
    ssize_t (*read)(struct crew_conn *conn, char *room, size_t size);

    /* How many bytes were taken, 0 when there is no room now, or a negative error. `has_more`:
     * more follows at once. With keeps_boundaries CREW_EFULL in place of 0. */
    ssize_t (*write)(struct crew_conn *conn, const struct iovec *parts, int count,
                     bool has_more);

    /* The same of a file; -EIO where it ends before `len`. */
    ssize_t (*send_file)(struct crew_conn *conn, int fd, uint64_t offset, size_t len);

    /* From now on conn_ready() is to be called for `wanted` (POLLER_…) in place of `before`. 0
     * or a negative error. */
    int (*interest)(struct crew_conn *conn, int before, int wanted);

    /* Does it hold bytes to read that no event will announce? NULL: never. */
    bool (*has_more)(const struct crew_conn *conn);

    /* How much was written that the peer has not acknowledged; negative: cannot be told. */
    int64_t (*unsent)(const struct crew_conn *conn);

    /* Has the peer sent something that nobody has read? */
    bool (*has_unread)(const struct crew_conn *conn);

    /* Its pending error, a negative number, or 0. NULL: a read tells. */
    int (*error)(const struct crew_conn *conn);

    /* Our last byte has been written: say so to the peer. NULL: there is no way to. */
    void (*shut)(struct crew_conn *conn);

    /* Has the peer shown that it is where its bytes say they come from? NULL: all have, by the
     * transport's own handshake. Who has not is sent no probe. */
    bool (*is_proven)(const struct crew_conn *conn);

    /* The app vouches for it. NULL as above. */
    void (*prove)(struct crew_conn *conn);

    /* The connection is at its end: give back all but its memory. */
    void (*close)(struct crew_conn *conn);

    void (*local)(const struct crew_conn *conn, struct crew_addr *out_addr);
};

extern const struct transport transport_tcp;

#endif
