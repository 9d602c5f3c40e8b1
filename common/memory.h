/* SPDX-License-Identifier: MIT
 *
 * Memory whose amount the config bounds: exhaustion ends the process with a line, so that
 * callers need no second path. Never for memory that a peer or a client asks for.
 */
#ifndef CREWMAN_MEMORY_H
#define CREWMAN_MEMORY_H

#include <stddef.h>

/* Zeroed. Freed with free(). */
void *memory_new(size_t size);

/* realloc of an array; `count` elements of `size` bytes. */
void *memory_resize(void *array, size_t count, size_t size);

char *memory_copy_text(const char *text);

/* A text made by printf. */
char *memory_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Pass on what another library allocated; NULL ends the process. */
void *memory_expect(void *allocated);

#endif
