/* SPDX-License-Identifier: MIT
 *
 * The method of J. Keiser and D. Lemire, "Validating UTF-8 In Less Than One Instruction Per
 * Byte" (2021): whether two neighbouring bytes are wrong together can be read from three
 * nibbles, the two of the first byte and the high one of the second. Each table gives the kinds
 * of error that its nibble allows; what all three allow is one. What is left is whether third
 * and fourth bytes stand where they must.
 */
#include "utf8_blocks.h"

#if defined(__x86_64__)

#include <tmmintrin.h>

#define BLOCK 16u

/* Kinds of error, a bit each. */
#define SHORT     0x01 /* a lead byte, and no continuation */
#define LONG      0x02 /* ASCII, and a continuation */
#define OVER_3    0x04 /* e0, and below a0 */
#define LARGE     0x08 /* f4, and above 8f; f5 and more, and anything above 8f */
#define SURROGATE 0x10 /* ed, and above 9f */
#define OVER_2    0x20 /* c0 or c1 */
#define OVER_4    0x40 /* f0, and below 90; f5 and more, and below 90 */
#define TWO_CONT  0x80 /* two continuations: no error if the first is a second or third byte */

/* What does not depend on the low nibble of the first byte. */
#define ANY_LOW (SHORT | LONG | TWO_CONT)

#define SSSE3 __attribute__((target("ssse3")))

/* By the high nibble of the first byte. */
SSSE3 static __m128i first_high(__m128i nibbles) {
    const __m128i table =
        _mm_setr_epi8(LONG, LONG, LONG, LONG, LONG, LONG, LONG, LONG, (char)TWO_CONT,
                      (char)TWO_CONT, (char)TWO_CONT, (char)TWO_CONT, SHORT | OVER_2, SHORT,
                      SHORT | OVER_3 | SURROGATE, SHORT | LARGE | OVER_4);
    return _mm_shuffle_epi8(table, nibbles);
}

/* By its low nibble: 0, 1, 4, 13, and 5 to 15 of f5 to ff. */
SSSE3 static __m128i first_low(__m128i nibbles) {
    const char any = (char)ANY_LOW, above = (char)(ANY_LOW | LARGE | OVER_4);
    const __m128i table =
        _mm_setr_epi8((char)(ANY_LOW | OVER_2 | OVER_3 | OVER_4), (char)(ANY_LOW | OVER_2), any,
                      any, (char)(ANY_LOW | LARGE), above, above, above, above, above, above,
                      above, above, (char)(ANY_LOW | LARGE | OVER_4 | SURROGATE), above, above);
    return _mm_shuffle_epi8(table, nibbles);
}

/* By the high nibble of the second byte. */
SSSE3 static __m128i second_high(__m128i nibbles) {
    const char ascii = SHORT;
    const char cont = (char)(LONG | TWO_CONT | OVER_2);
    const __m128i table = _mm_setr_epi8(
        ascii, ascii, ascii, ascii, ascii, ascii, ascii, ascii, (char)(cont | OVER_3 | OVER_4),
        (char)(cont | OVER_3 | LARGE), (char)(cont | SURROGATE | LARGE),
        (char)(cont | SURROGATE | LARGE), ascii, ascii, ascii, ascii);
    return _mm_shuffle_epi8(table, nibbles);
}

/* Not zero where something is wrong. `before`: the sixteen bytes in front. */
SSSE3 static __m128i check_block(__m128i block, __m128i before) {
    const __m128i low = _mm_set1_epi8(0x0f), high = _mm_set1_epi8((char)0x80);
    __m128i first = _mm_alignr_epi8(block, before, 15);
    __m128i pairs =
        _mm_and_si128(_mm_and_si128(first_high(_mm_and_si128(_mm_srli_epi16(first, 4), low)),
                                    first_low(_mm_and_si128(first, low))),
                      second_high(_mm_and_si128(_mm_srli_epi16(block, 4), low)));
    /* The highest bit stays where two bytes before stands e0 or more, or three before f0 or
     * more. */
    __m128i third = _mm_subs_epu8(_mm_alignr_epi8(block, before, 14), _mm_set1_epi8(0x60));
    __m128i fourth = _mm_subs_epu8(_mm_alignr_epi8(block, before, 13), _mm_set1_epi8(0x70));
    __m128i must_follow = _mm_and_si128(_mm_or_si128(third, fourth), high);
    return _mm_xor_si128(must_follow, pairs); /* TWO_CONT is the same bit */
}

SSSE3 static bool check_blocks(const unsigned char *p, size_t blocks) {
    __m128i before = _mm_setzero_si128(), wrong = _mm_setzero_si128();
    for (size_t i = 0; i < blocks; i++) {
        __m128i block = _mm_loadu_si128((const __m128i *)(const void *)(p + i * BLOCK));
        wrong = _mm_or_si128(wrong, check_block(block, before));
        before = block;
    }
    return _mm_movemask_epi8(_mm_cmpeq_epi8(wrong, _mm_setzero_si128())) == 0xffff;
}

/* The bytes at the end of `len` that begin a character and do not end it. */
static size_t measure_cut(const unsigned char *p, size_t len) {
    if (p[len - 1] >= 0xc0)
        return 1;
    if (p[len - 2] >= 0xe0)
        return 2;
    return p[len - 3] >= 0xf0 ? 3 : 0;
}

size_t utf8_blocks_check(const unsigned char *p, size_t len, bool *out_is_valid) {
    size_t blocks = len / BLOCK;
    *out_is_valid = true;
    if (blocks == 0 || !__builtin_cpu_supports("ssse3"))
        return 0;
    *out_is_valid = check_blocks(p, blocks);
    return blocks * BLOCK - measure_cut(p, blocks * BLOCK);
}

#else

size_t utf8_blocks_check(const unsigned char *p, size_t len, bool *out_is_valid) {
    (void)p;
    (void)len;
    *out_is_valid = true;
    return 0;
}

#endif
