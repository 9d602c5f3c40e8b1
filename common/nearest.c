/* SPDX-License-Identifier: MIT
 *
 * The distance of Damerau and Levenshtein in its restricted form (a swapped pair counts one),
 * over three rows, and words that begin alike. Bounded by NEAREST_WORD_MAX, so that a hostile
 * word costs nothing.
 */
#include "nearest.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static size_t smallest(size_t a, size_t b, size_t c) {
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

static bool same(char a, char b) {
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

size_t nearest_distance(const char *a, const char *b) {
    size_t rows[3][NEAREST_WORD_MAX + 1];
    size_t a_len = strnlen(a, NEAREST_WORD_MAX + 1), b_len = strnlen(b, NEAREST_WORD_MAX + 1);
    if (a_len > NEAREST_WORD_MAX || b_len > NEAREST_WORD_MAX)
        return NEAREST_WORD_MAX + 1;
    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t change = above[j - 1] + (same(a[i - 1], b[j - 1]) ? 0 : 1);
            row[j] = smallest(change, above[j] + 1, row[j - 1] + 1);
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]) &&
                two_above[j - 2] + 1 < row[j])
                row[j] = two_above[j - 2] + 1;
        }
    }
    return rows[a_len % 3][b_len];
}

/* The ways to be near, the better ones first; within one, less is nearer. */
enum {
    RANK_BEGINS = 0,                   /* the candidate begins with the word */
    RANK_ALIKE = NEAREST_WORD_MAX + 1, /* a slip of the fingers */
    RANK_BEGUN = 2 * RANK_ALIKE,       /* the word begins with the candidate */
    RANK_FAR = 3 * RANK_ALIKE
};

/* Fewer letters that two words begin with say nothing. */
#define COMMON_MIN 2u

static size_t rank_of(const char *word, const char *candidate) {
    size_t len = strnlen(word, NEAREST_WORD_MAX + 1);
    size_t known = strnlen(candidate, NEAREST_WORD_MAX + 1);
    size_t common = len < known ? len : known;
    if (len > NEAREST_WORD_MAX || known > NEAREST_WORD_MAX)
        return RANK_FAR;
    bool is_begun = common >= COMMON_MIN && strncasecmp(word, candidate, common) == 0;
    if (is_begun && len <= known)
        return RANK_BEGINS + known - len;
    size_t distance = nearest_distance(word, candidate);
    /* At `known` nothing of the candidate is left: not a slip of the fingers. */
    if (distance <= (len < 3 ? 1 : len / 3) && distance < known)
        return RANK_ALIKE + distance;
    return is_begun ? RANK_BEGUN + len - known : RANK_FAR;
}

void nearest_init(struct nearest *nearest, const char *word) {
    nearest->word = word;
    nearest->best = NULL;
    nearest->rank = RANK_FAR;
}

bool nearest_offer(struct nearest *nearest, const char *candidate) {
    size_t rank = rank_of(nearest->word, candidate);
    if (rank >= nearest->rank)
        return false;
    nearest->best = candidate;
    nearest->rank = rank;
    return true;
}
