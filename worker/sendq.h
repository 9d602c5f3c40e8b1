/* SPDX-License-Identifier: MIT
 *
 * What a connection has yet to send: a queue of pieces of immutable, reference-counted buffers.
 * Copies are gathered into the last piece while it has room. Knows nothing of sockets: the
 * caller takes an iovec and says how much went. Pure.
 */
#ifndef CREWMAN_SENDQ_H
#define CREWMAN_SENDQ_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* Bytes that several queues may share; never changed once queued. */
struct buf {
    uint32_t refs;
    size_t len, capacity;
    char data[];
};

/* With `capacity` bytes of room, len 0, one reference; NULL without memory. */
struct buf *buf_new(size_t capacity);
struct buf *buf_ref(struct buf *buf);
void buf_unref(struct buf *buf);

struct sendq_piece;

struct sendq {
    struct sendq_piece *head, *tail;
    size_t bytes;
};

void sendq_init(struct sendq *queue);
void sendq_done(struct sendq *queue);

/* Copy `count` parts, without the first `skip` bytes of them, behind what is queued. 0 or
 * -ENOMEM (nothing queued). */
int sendq_append(struct sendq *queue, const struct iovec *parts, int count, size_t skip);

/* The same in front of what is queued; only while nothing of the first piece has gone. */
int sendq_prepend(struct sendq *queue, const void *data, size_t len);

/* Queue a shared buffer from `offset` on; takes a reference of its own. */
int sendq_append_buf(struct sendq *queue, struct buf *buf, size_t offset);

/* The first bytes to send; answers how many of `max` entries were filled. */
int sendq_peek(const struct sendq *queue, struct iovec *out_parts, int max);

/* `len` bytes (≤ bytes) have gone. */
void sendq_drop(struct sendq *queue, size_t len);

#endif
