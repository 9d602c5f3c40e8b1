/* SPDX-License-Identifier: MIT
 *
 * The memory of all codecs comes from here, and with it the one answer to "how much": what a
 * peer announces is never allocated, only what it has sent, doubled. Every failure is passed on
 * to the caller; a test replaces the allocator to see that.
 */
#ifndef CREWMAN_CODEC_MEMORY_H
#define CREWMAN_CODEC_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

typedef void *(*codec_memory_resizer)(void *memory, size_t size);

/* realloc(3); NULL when there is no more, `memory` is then unchanged. */
void *codec_memory_resize(void *memory, size_t size);
void codec_memory_free(void *memory);

/* One large block that is not needed now is kept for the next long message, whose pages then
 * need not be made again. Both take any block of codec_memory_resize(). */
void codec_memory_keep(void *memory, size_t size);

/* The kept block, if it has `size` bytes; NULL: there is none. */
void *codec_memory_take(size_t size, size_t *out_size);

/* For tests: what codec_memory_resize() calls, NULL for realloc. Its memory is freed by
 * free(3). */
void codec_memory_replace(codec_memory_resizer resizer);

/* The capacity to go to when `needed` bytes do not fit: double, at least 512, but never more
 * than `bound` when `bound` is enough. */
size_t codec_memory_capacity(size_t needed, size_t bound);

/* A message that is not complete. NULL is an empty one. */
struct codec_buffer {
    size_t len, capacity;
    char data[];
};

/* Append; false without memory, the buffer is then unchanged. `bound`: as above, a hint. */
bool codec_buffer_append(struct codec_buffer **buffer, const char *data, size_t len,
                         size_t bound);

/* Room for `more` bytes behind the message; false without memory. */
bool codec_buffer_reserve(struct codec_buffer **buffer, size_t more);
void codec_buffer_free(struct codec_buffer **buffer);

/* Its memory; NULL has none. */
size_t codec_buffer_held(const struct codec_buffer *buffer);

#endif
