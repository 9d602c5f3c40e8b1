/* SPDX-License-Identifier: MIT
 *
 * UTF-8 validation (RFC 3629), whole or piece by piece. Fails fast: at the first byte after
 * which nothing valid can follow, such as a surrogate's or an overlong form's second byte.
 */
#ifndef CREWMAN_UTF8_H
#define CREWMAN_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed is the start. */
struct utf8 {
    uint8_t need;         /* continuation bytes that must follow */
    uint8_t lower, upper; /* bounds of the next one */
};

/* Go on with the next piece. False: invalid, whatever follows; the state is then worthless. */
bool utf8_feed(struct utf8 *utf8, const char *data, size_t len);

/* Does what was fed end between two characters? */
static inline bool utf8_is_complete(const struct utf8 *utf8) {
    return utf8->need == 0;
}

bool utf8_is_valid(const char *data, size_t len);

#endif
