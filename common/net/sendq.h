/* SPDX-License-Identifier: MIT
 *
 * What a connection has yet to send: a queue of pieces of immutable, reference-counted buffers
 * and of open files. Copies are gathered into the last piece while it has room. Knows nothing
 * of sockets and reads no file: the caller takes an iovec, or a descriptor with a position, and
 * says how much went.
 */
#ifndef CREWMAN_SENDQ_H
#define CREWMAN_SENDQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct budget;

/* Bytes that several queues may share; never changed once queued. */
struct buf {
    uint32_t refs;
    uint32_t queued; /* of these, how many are pieces of queues */
    struct budget
        *budget; /* that has it while it is queued: once, however many pieces it has */
    size_t len, capacity;
    char data[];
};

/* With `capacity` bytes of room, len 0, one reference; NULL without memory. */
struct buf *buf_new(size_t capacity);
struct buf *buf_ref(struct buf *buf);
void buf_unref(struct buf *buf);

/* An open file that pieces of queues refer to; closed with the last of them. */
struct source {
    uint32_t refs;
    int fd;
    struct budget *budget; /* of its pieces */
};

/* Takes `fd`, with one reference; NULL without memory, `fd` is the caller's again then. */
struct source *source_new(int fd);
struct source *source_ref(struct source *source);
void source_unref(struct source *source);

struct sendq_piece;

struct sendq {
    struct sendq_piece *head, *tail;
    struct sendq_piece *latest; /* see sendq_put_latest() */
    size_t bytes;               /* all that has yet to go */
    size_t file_bytes;          /* how many of them lie in files and so cost no memory */
};

void sendq_init(struct sendq *queue);
void sendq_done(struct sendq *queue);

/* The memory of what is queued is taken from `budget`, which all queues of a buffer share, and
 * given back by whatever takes a piece off.
 *
 * Copy `count` parts, without the first `skip` bytes of them, behind what is queued. 0 or
 * -ENOMEM (nothing queued). */
int sendq_append(struct sendq *queue, struct budget *budget, const struct iovec *parts,
                 int count, size_t skip);

/* The same in front of what is queued; only while nothing of the first piece has gone. */
int sendq_prepend(struct sendq *queue, struct budget *budget, const void *data, size_t len);

/* Copy what is of use only until the next such: it takes the place of the one before, unless a
 * byte of that has gone. 0 or -ENOMEM (nothing queued, or the one before). */
int sendq_put_latest(struct sendq *queue, struct budget *budget, const void *data, size_t len);

/* Queue a shared buffer from `offset` on; takes a reference of its own. */
int sendq_append_buf(struct sendq *queue, struct budget *budget, struct buf *buf,
                     size_t offset);

/* Queue `len` bytes (not 0) of a file from `offset` on; takes a reference of its own. */
int sendq_append_file(struct sendq *queue, struct budget *budget, struct source *source,
                      uint64_t offset, size_t len);

/* Do the bytes of a file come first? Then where they lie. */
bool sendq_peek_file(const struct sendq *queue, int *out_fd, uint64_t *out_offset,
                     size_t *out_len);

/* The first bytes to send, up to where those of a file begin; answers how many of `max` entries
 * were filled. */
int sendq_peek(const struct sendq *queue, struct iovec *out_parts, int max);

/* `len` bytes (≤ bytes) have gone. */
void sendq_drop(struct sendq *queue, size_t len);

/* Give up all but the first piece: some of it may have gone, and what follows it then begins
 * where a message does. Of a file it is given up too. */
void sendq_cut(struct sendq *queue);

/* The memory of this queue: of a buffer that others have queued as well its part. Walks over
 * the pieces. */
size_t sendq_held(const struct sendq *queue);

#endif
