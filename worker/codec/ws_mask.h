/* SPDX-License-Identifier: MIT
 *
 * Masking of WebSocket payloads (RFC 6455 section 5.3), which is its own inverse.
 */
#ifndef CREWMAN_WS_MASK_H
#define CREWMAN_WS_MASK_H

#include <stddef.h>
#include <stdint.h>

/* Mask or unmask in place. `mask`: the four bytes of the header, copied as they lie in memory.
 * `offset`: which byte of the payload `data` begins with. */
void ws_mask(char *data, size_t len, uint32_t mask, size_t offset);

#endif
