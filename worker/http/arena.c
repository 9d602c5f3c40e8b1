/* SPDX-License-Identifier: MIT
 *
 * See arena.h.
 */
#include "arena.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE 2048u
#define ALIGNMENT  (_Alignof(max_align_t))

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    _Alignas(max_align_t) char data[];
};

struct arena_text {
    struct arena_text *next;
    size_t len;
    char data[];
};

static struct arena_block *add_block(struct arena *arena, size_t size) {
    struct arena_block *block = malloc(sizeof(*block) + size);
    if (!block)
        return NULL;
    *block = (struct arena_block){.next = arena->blocks, .size = size};
    arena->blocks = block;
    arena->held += sizeof(*block) + size;
    return block;
}

void *arena_take(struct arena *arena, size_t size) {
    struct arena_block *block = arena->blocks;
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (!block || block->size - block->used < size)
        block = add_block(arena, size > BLOCK_SIZE ? size : BLOCK_SIZE);
    if (!block)
        return NULL;
    void *memory = block->data + block->used;
    block->used += size;
    return memory;
}

char *arena_copy(struct arena *arena, const char *data, size_t len) {
    char *copy = arena_take(arena, len + 1);
    if (!copy)
        return NULL;
    memcpy(copy, data, len);
    copy[len] = '\0';
    return copy;
}

const char *arena_text(struct arena *arena, const char *data, size_t len) {
    struct arena_text *text = arena->texts;
    while (text && (text->len != len || memcmp(text->data, data, len) != 0))
        text = text->next;
    if (text)
        return text->data;
    text = arena_take(arena, sizeof(*text) + len + 1);
    if (!text)
        return NULL;
    *text = (struct arena_text){.next = arena->texts, .len = len};
    memcpy(text->data, data, len);
    text->data[len] = '\0';
    arena->texts = text;
    return text->data;
}

void arena_done(struct arena *arena) {
    arena->texts = NULL;
    arena->held = 0;
    while (arena->blocks) {
        struct arena_block *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
}
