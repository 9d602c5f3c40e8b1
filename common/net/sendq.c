/* SPDX-License-Identifier: MIT
 *
 * A piece is a window on a buffer. Only a buffer that has one reference is appended to: it is
 * ours alone.
 */
#include "sendq.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "budget.h"

/* A new gathering buffer has this size at least, so that many small messages need few pieces.
 */
#define GATHER_MIN 2048u

struct sendq_piece {
    struct sendq_piece *next;
    struct buf *buf;       /* or NULL: */
    struct source *source; /* bytes of a file */
    uint64_t offset;
    size_t len;
};

#define PIECE_SIZE budget_size(sizeof(struct sendq_piece))

struct buf *buf_new(size_t capacity) {
    struct buf *buf = malloc(sizeof(*buf) + capacity);
    if (!buf)
        return NULL;
    buf->refs = 1;
    buf->queued = 0;
    buf->budget = NULL;
    buf->len = 0;
    buf->capacity = capacity;
    return buf;
}

struct buf *buf_ref(struct buf *buf) {
    buf->refs++;
    return buf;
}

void buf_unref(struct buf *buf) {
    if (buf && --buf->refs == 0)
        free(buf);
}

struct source *source_new(int fd) {
    struct source *source = malloc(sizeof(*source));
    if (!source)
        return NULL;
    *source = (struct source){.refs = 1, .fd = fd};
    return source;
}

struct source *source_ref(struct source *source) {
    source->refs++;
    return source;
}

void source_unref(struct source *source) {
    if (!source || --source->refs > 0)
        return;
    close(source->fd);
    free(source);
}

void sendq_init(struct sendq *queue) {
    *queue = (struct sendq){0};
}

static size_t buf_size(const struct buf *buf) {
    return budget_size(sizeof(*buf) + buf->capacity);
}

static void buf_enter(struct buf *buf, struct budget *budget) {
    if (buf->queued++ > 0)
        return;
    buf->budget = budget;
    budget_take(budget, buf_size(buf));
}

static void buf_leave(struct buf *buf) {
    if (--buf->queued == 0)
        budget_give(buf->budget, buf_size(buf));
    buf_unref(buf);
}

static void piece_free(struct sendq_piece *piece) {
    if (piece->buf) {
        budget_give(piece->buf->budget, PIECE_SIZE);
        buf_leave(piece->buf);
    } else {
        budget_give(piece->source->budget, PIECE_SIZE);
        source_unref(piece->source);
    }
    free(piece);
}

static void free_from(struct sendq_piece *piece) {
    while (piece) {
        struct sendq_piece *next = piece->next;
        piece_free(piece);
        piece = next;
    }
}

void sendq_done(struct sendq *queue) {
    free_from(queue->head);
    sendq_init(queue);
}

/* Takes `buf`, also on failure. */
static struct sendq_piece *piece_new(struct budget *budget, struct buf *buf, size_t offset) {
    struct sendq_piece *piece = buf ? malloc(sizeof(*piece)) : NULL;
    if (!piece) {
        buf_unref(buf);
        return NULL;
    }
    *piece = (struct sendq_piece){.buf = buf, .offset = offset, .len = buf->len - offset};
    budget_take(budget, PIECE_SIZE);
    buf_enter(buf, budget);
    return piece;
}

static void put_last(struct sendq *queue, struct sendq_piece *piece) {
    if (queue->tail)
        queue->tail->next = piece;
    else
        queue->head = piece;
    queue->tail = piece;
    queue->bytes += piece->len;
}

static size_t total_of(const struct iovec *parts, int count) {
    size_t total = 0;
    for (int i = 0; i < count; i++)
        total += parts[i].iov_len;
    return total;
}

static void copy_into(struct buf *buf, const struct iovec *parts, int count, size_t skip) {
    for (int i = 0; i < count; i++) {
        size_t passed = skip < parts[i].iov_len ? skip : parts[i].iov_len;
        size_t len = parts[i].iov_len - passed;
        skip -= passed;
        if (len == 0)
            continue;
        memcpy(buf->data + buf->len, (const char *)parts[i].iov_base + passed, len);
        buf->len += len;
    }
}

/* Room for `len` more bytes behind the last piece, in a buffer that nobody shares? */
static int tail_has_room(const struct sendq *queue, size_t len) {
    const struct sendq_piece *tail = queue->tail;
    return tail && tail->buf && tail->buf->refs == 1 &&
           tail->offset + tail->len == tail->buf->len &&
           tail->buf->capacity - tail->buf->len >= len;
}

int sendq_append(struct sendq *queue, struct budget *budget, const struct iovec *parts,
                 int count, size_t skip) {
    size_t len = total_of(parts, count) - skip;
    if (len == 0)
        return 0;
    if (tail_has_room(queue, len)) {
        copy_into(queue->tail->buf, parts, count, skip);
        queue->tail->len += len;
        queue->bytes += len;
        return 0;
    }
    struct buf *buf = buf_new(len < GATHER_MIN ? GATHER_MIN : len);
    if (!buf)
        return -ENOMEM;
    copy_into(buf, parts, count, skip);
    struct sendq_piece *piece = piece_new(budget, buf, 0);
    if (!piece)
        return -ENOMEM;
    put_last(queue, piece);
    return 0;
}

int sendq_prepend(struct sendq *queue, struct budget *budget, const void *data, size_t len) {
    struct buf *buf = buf_new(len);
    if (!buf)
        return -ENOMEM;
    memcpy(buf->data, data, len);
    buf->len = len;
    struct sendq_piece *piece = piece_new(budget, buf, 0);
    if (!piece)
        return -ENOMEM;
    piece->next = queue->head;
    queue->head = piece;
    if (!queue->tail)
        queue->tail = piece;
    queue->bytes += len;
    return 0;
}

int sendq_put_latest(struct sendq *queue, struct budget *budget, const void *data, size_t len) {
    struct sendq_piece *piece = queue->latest;
    struct buf *buf = buf_new(len);
    if (!buf)
        return -ENOMEM;
    memcpy(buf->data, data, len);
    buf->len = len;
    if (piece) {
        queue->bytes = queue->bytes - piece->len + len;
        buf_leave(piece->buf);
        buf_enter(buf, budget);
        piece->buf = buf;
        piece->len = len;
        return 0;
    }
    piece = piece_new(budget, buf, 0);
    if (!piece)
        return -ENOMEM;
    put_last(queue, piece);
    queue->latest = piece;
    return 0;
}

int sendq_append_buf(struct sendq *queue, struct budget *budget, struct buf *buf,
                     size_t offset) {
    if (buf->len == offset)
        return 0;
    struct sendq_piece *piece = piece_new(budget, buf_ref(buf), offset);
    if (!piece)
        return -ENOMEM;
    put_last(queue, piece);
    return 0;
}

int sendq_append_file(struct sendq *queue, struct budget *budget, struct source *source,
                      uint64_t offset, size_t len) {
    struct sendq_piece *piece = malloc(sizeof(*piece));
    if (!piece)
        return -ENOMEM;
    *piece = (struct sendq_piece){.source = source_ref(source), .offset = offset, .len = len};
    source->budget = budget;
    budget_take(budget, PIECE_SIZE);
    put_last(queue, piece);
    queue->file_bytes += len;
    return 0;
}

bool sendq_peek_file(const struct sendq *queue, int *out_fd, uint64_t *out_offset,
                     size_t *out_len) {
    const struct sendq_piece *head = queue->head;
    if (!head || !head->source)
        return false;
    *out_fd = head->source->fd;
    *out_offset = head->offset;
    *out_len = head->len;
    return true;
}

int sendq_peek(const struct sendq *queue, struct iovec *out_parts, int max) {
    int count = 0;
    for (struct sendq_piece *piece = queue->head; piece && piece->buf && count < max;
         piece = piece->next) {
        out_parts[count].iov_base = piece->buf->data + piece->offset;
        out_parts[count].iov_len = piece->len;
        count++;
    }
    return count;
}

void sendq_drop(struct sendq *queue, size_t len) {
    queue->bytes -= len;
    while (len > 0) {
        struct sendq_piece *head = queue->head;
        if (head == queue->latest)
            queue->latest = NULL;
        if (head->source)
            queue->file_bytes -= len < head->len ? len : head->len;
        if (len < head->len) {
            head->offset += len;
            head->len -= len;
            return;
        }
        len -= head->len;
        queue->head = head->next;
        if (!queue->head)
            queue->tail = NULL;
        piece_free(head);
    }
}

void sendq_cut(struct sendq *queue) {
    struct sendq_piece *head = queue->head;
    bool stays = head && head->buf;
    free_from(stays ? head->next : head);
    sendq_init(queue);
    if (stays) {
        head->next = NULL;
        put_last(queue, head);
    }
}

size_t sendq_held(const struct sendq *queue) {
    size_t held = 0;
    for (const struct sendq_piece *piece = queue->head; piece; piece = piece->next)
        held += PIECE_SIZE + (piece->buf ? buf_size(piece->buf) / piece->buf->queued : 0);
    return held;
}
