/* SPDX-License-Identifier: MIT
 *
 * Memory of the codecs: see codec_memory.h. Must never end the process: these amounts are a
 * peer's choice.
 */
#include "codec_memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN 512u

/* What is worth keeping, and what is not too much to keep for nothing. */
#define SPARE_MIN ((size_t)64 * 1024u)
#define SPARE_MAX ((size_t)2 * 1024u * 1024u)

static codec_memory_resizer replaced;
static void *spare;
static size_t spare_size;

void *codec_memory_resize(void *memory, size_t size) {
    return replaced ? replaced(memory, size) : realloc(memory, size);
}

void codec_memory_free(void *memory) {
    free(memory);
}

void codec_memory_keep(void *memory, size_t size) {
    if (replaced || size < SPARE_MIN || size > SPARE_MAX || size <= spare_size) {
        free(memory);
        return;
    }
    free(spare);
    spare = memory;
    spare_size = size;
}

void *codec_memory_take(size_t size, size_t *out_size) {
    void *taken = spare;
    if (!spare || spare_size < size)
        return NULL;
    *out_size = spare_size;
    spare = NULL;
    spare_size = 0;
    return taken;
}

void codec_memory_replace(codec_memory_resizer resizer) {
    replaced = resizer;
}

size_t codec_memory_capacity(size_t needed, size_t bound) {
    size_t capacity = needed > SIZE_MAX / 2 ? needed : needed * 2;
    if (capacity < CAPACITY_MIN)
        capacity = CAPACITY_MIN;
    return capacity > bound && bound >= needed ? bound : capacity;
}

static bool reserve(struct codec_buffer **buffer, size_t more, size_t bound) {
    struct codec_buffer *old = *buffer;
    size_t have = old ? old->len : 0;
    if (old && more <= old->capacity - have)
        return true;
    if (more > SIZE_MAX / 4 - have)
        return false;
    size_t capacity = codec_memory_capacity(have + more, bound);
    struct codec_buffer *grown = codec_memory_resize(old, sizeof(*grown) + capacity);
    if (!grown)
        return false;
    grown->len = have;
    grown->capacity = capacity;
    *buffer = grown;
    return true;
}

bool codec_buffer_reserve(struct codec_buffer **buffer, size_t more) {
    return reserve(buffer, more, SIZE_MAX);
}

bool codec_buffer_append(struct codec_buffer **buffer, const char *data, size_t len,
                         size_t bound) {
    if (!reserve(buffer, len, bound))
        return false;
    if (len > 0)
        memcpy((*buffer)->data + (*buffer)->len, data, len);
    (*buffer)->len += len;
    return true;
}

size_t codec_buffer_held(const struct codec_buffer *buffer) {
    return buffer ? sizeof(*buffer) + buffer->capacity : 0;
}

void codec_buffer_free(struct codec_buffer **buffer) {
    codec_memory_free(*buffer);
    *buffer = NULL;
}
