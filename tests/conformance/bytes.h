/* SPDX-License-Identifier: MIT
 *
 * A growing string of bytes for tests, and its readable form: "…" with escapes. Ends the test
 * when memory ends.
 */
#ifndef CREWMAN_TESTS_BYTES_H
#define CREWMAN_TESTS_BYTES_H

#include <stddef.h>

struct bytes {
    char *data; /* a NUL follows the last byte; NULL: empty */
    size_t len;
    size_t capacity;
};

void bytes_add(struct bytes *bytes, const void *data, size_t len);
void bytes_print(struct bytes *bytes, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* `data` in quotes, what is not printable ASCII as \r \n \t \0 \" \\ or \xNN. */
void bytes_quote(struct bytes *bytes, const void *data, size_t len);
void bytes_done(struct bytes *bytes);

#endif
