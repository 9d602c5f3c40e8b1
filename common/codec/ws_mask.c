/* SPDX-License-Identifier: MIT
 *
 * Masking: see ws_mask.h. A vector at a time, four in a row for long payloads: of 32 bytes
 * where the processor has such (AVX2, chosen when the program starts), otherwise in what the
 * compiler makes of it (SSE2, NEON, or words).
 */
#include "ws_mask.h"

#include <string.h>

#define LONG_BLOCK (4 * sizeof(words4))
#define HIGH_BITS  0x8080808080808080u

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_SANITIZER 1 /* which is not there yet when the variant is chosen */
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define HAS_SANITIZER 1
#endif

#if defined(__x86_64__) && defined(__GLIBC__) && !defined(HAS_SANITIZER)
#define BEST_VARIANT __attribute__((target_clones("avx2", "default")))
#else
#define BEST_VARIANT
#endif

typedef uint64_t words4 __attribute__((vector_size(32)));

static inline void mask_vector(char *data, const words4 *pattern, words4 *seen) {
    words4 vector;
    memcpy(&vector, data, sizeof(vector));
    vector ^= *pattern;
    *seen |= vector;
    memcpy(data, &vector, sizeof(vector));
}

/* A multiple of LONG_BLOCK; answers all its words in one. */
BEST_VARIANT static uint64_t mask_long(char *data, size_t len, uint64_t word) {
    words4 pattern = {word, word, word, word}, odd = {0}, even = {0};
    for (const char *end = data + len; data < end; data += LONG_BLOCK) {
        mask_vector(data, &pattern, &even);
        mask_vector(data + sizeof(words4), &pattern, &odd);
        mask_vector(data + 2 * sizeof(words4), &pattern, &even);
        mask_vector(data + 3 * sizeof(words4), &pattern, &odd);
    }
    even |= odd;
    return even[0] | even[1] | even[2] | even[3];
}

static uint64_t mask_8(char *data, uint64_t word) {
    uint64_t eight;
    memcpy(&eight, data, 8);
    eight ^= word;
    memcpy(data, &eight, 8);
    return eight;
}

static uint64_t mask_16(char *data, uint64_t word) {
    return mask_8(data, word) | mask_8(data + 8, word);
}

static uint64_t mask_32(char *data, uint64_t word) {
    return mask_16(data, word) | mask_16(data + 16, word);
}

static uint64_t mask_64(char *data, uint64_t word) {
    return mask_32(data, word) | mask_32(data + 32, word);
}

/* Less than four bytes. The pattern repeats each four bytes, in memory's order, whatever that
 * is. */
static uint64_t mask_last(char *data, size_t len, uint64_t word) {
    unsigned char bytes[4];
    uint64_t seen = 0;
    memcpy(bytes, &word, 4);
    for (size_t i = 0; i < len; i++) {
        data[i] = (char)((unsigned char)data[i] ^ bytes[i]);
        seen |= (unsigned char)data[i];
    }
    return seen;
}

/* Less than LONG_BLOCK; each size at most once, so that short payloads meet no loop. */
static uint64_t mask_rest(char *data, size_t len, uint64_t word) {
    uint64_t seen = 0;
    if (len & 64) {
        seen |= mask_64(data, word);
        data += 64;
    }
    if (len & 32) {
        seen |= mask_32(data, word);
        data += 32;
    }
    if (len & 16) {
        seen |= mask_16(data, word);
        data += 16;
    }
    if (len & 8) {
        seen |= mask_8(data, word);
        data += 8;
    }
    if (len & 4) {
        uint32_t four;
        memcpy(&four, data, 4);
        four ^= (uint32_t)word;
        memcpy(data, &four, 4);
        seen |= four;
        data += 4;
    }
    if (len & 3)
        seen |= mask_last(data, len & 3, word);
    return seen;
}

/* Apart, so that short payloads save no registers for it. */
__attribute__((noinline)) static uint64_t mask_all(char *data, size_t len, uint64_t word) {
    size_t whole = len - len % LONG_BLOCK;
    return mask_long(data, whole, word) | mask_rest(data + whole, len - whole, word);
}

bool ws_mask(char *data, size_t len, uint32_t mask, size_t offset) {
    if (offset & 3) {
        unsigned char twice[8];
        memcpy(twice, &mask, 4);
        memcpy(twice + 4, &mask, 4);
        memcpy(&mask, twice + (offset & 3), 4);
    }
    uint64_t word = (uint64_t)mask << 32 | mask;
    uint64_t seen = len < LONG_BLOCK ? mask_rest(data, len, word) : mask_all(data, len, word);
    return (seen & HIGH_BITS) == 0;
}
