/* SPDX-License-Identifier: MIT
 *
 * Masking: see ws_mask.h. Sixteen bytes at a time in what the compiler makes of a vector (SSE2,
 * NEON, or two words), four such in a row for long payloads.
 */
#include "ws_mask.h"

#include <string.h>

#define BLOCK 16u

typedef uint64_t words2 __attribute__((vector_size(BLOCK)));

static void mask_block(char *data, words2 pattern) {
    words2 block;
    memcpy(&block, data, BLOCK);
    block ^= pattern;
    memcpy(data, &block, BLOCK);
}

static void mask_rest(char *data, size_t len, uint64_t pattern) {
    if (len >= 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        word ^= pattern;
        memcpy(data, &word, 8);
        data += 8;
        len -= 8;
    }
    unsigned char bytes[8];
    memcpy(bytes, &pattern, 8);
    for (size_t i = 0; i < len; i++)
        data[i] = (char)((unsigned char)data[i] ^ bytes[i]);
}

void ws_mask(char *data, size_t len, uint32_t mask, size_t offset) {
    unsigned char bytes[8];
    memcpy(bytes, &mask, 4);
    memcpy(bytes + 4, &mask, 4);
    memcpy(&mask, bytes + (offset & 3), 4);
    uint64_t word = (uint64_t)mask << 32 | mask;
    words2 pattern = {word, word};
    for (; len >= 4 * BLOCK; len -= 4 * BLOCK, data += 4 * BLOCK) {
        mask_block(data, pattern);
        mask_block(data + BLOCK, pattern);
        mask_block(data + 2 * BLOCK, pattern);
        mask_block(data + 3 * BLOCK, pattern);
    }
    for (; len >= BLOCK; len -= BLOCK, data += BLOCK)
        mask_block(data, pattern);
    mask_rest(data, len, word);
}
