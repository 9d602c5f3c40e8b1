/* SPDX-License-Identifier: MIT
 *
 * UTF-8 validation sixteen bytes at a time, where the processor can look bytes up in parallel
 * (x86-64 with SSSE3). Only for utf8.c, which does without elsewhere.
 */
#ifndef CREWMAN_UTF8_BLOCKS_H
#define CREWMAN_UTF8_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>

/* Check whole blocks of `p`, which begins with a character. Answers how many bytes are valid
 * and end with a character; the rest, a block and a character at most, is the caller's. 0 also
 * when this processor cannot. *out_is_valid false: somewhere in the blocks is an error. */
size_t utf8_blocks_check(const unsigned char *p, size_t len, bool *out_is_valid);

#endif
