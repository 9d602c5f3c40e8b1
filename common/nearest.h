/* SPDX-License-Identifier: MIT
 *
 * "Did you mean …": the known word nearest to one that somebody mistyped, or wrote in part.
 * Pure; called by the config, the listen parser and the command line.
 */
#ifndef CREWMAN_NEAREST_H
#define CREWMAN_NEAREST_H

#include <stdbool.h>
#include <stddef.h>

/* Words longer than this are near to nothing. */
#define NEAREST_WORD_MAX 64

struct nearest {
    const char *word; /* what was written; borrowed */
    const char *best; /* the nearest offered so far, NULL while none is near; borrowed */
    size_t rank;
};

/* Init, offer each known word, read `best`. Nearest is the shortest that begins with the word;
 * then one from which at most a third of the word's letters (at least one) were changed, left
 * out, added or swapped with their neighbour; then the longest that the word begins with. Two
 * letters at least must agree at the beginning. The first of equals wins. nearest_offer()
 * answers whether the candidate is the nearest so far. */
void nearest_init(struct nearest *nearest, const char *word);
bool nearest_offer(struct nearest *nearest, const char *candidate);

/* The number of such changes between two words of at most NEAREST_WORD_MAX letters, any case;
 * for longer ones NEAREST_WORD_MAX + 1. */
size_t nearest_distance(const char *a, const char *b);

#endif
