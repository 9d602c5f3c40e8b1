/* SPDX-License-Identifier: MIT
 *
 * Masking of WebSocket payloads (RFC 6455 section 5.3), which is its own inverse.
 */
#ifndef CREWMAN_WS_MASK_H
#define CREWMAN_WS_MASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Mask or unmask in place. `mask`: the four bytes of the header, copied as they lie in memory.
 * `offset`: which byte of the payload `data` begins with. Answers whether all that it made is
 * ASCII, so that a check of text can be left out. */
bool ws_mask(char *data, size_t len, uint32_t mask, size_t offset);

#endif
