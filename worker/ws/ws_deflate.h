/* SPDX-License-Identifier: MIT
 *
 * Who compresses the messages of a WebSocket connection (RFC 7692): without context takeover
 * the worker's own compressor for that window, which all connections share, and for short
 * messages a small one; with it one of the connection's own.
 */
#ifndef CREWMAN_WS_DEFLATE_H
#define CREWMAN_WS_DEFLATE_H

#include <stddef.h>
#include <stdint.h>

#include "deflate.h"
#include "ws_extensions.h"

struct codec_buffer;

#define WS_DEFLATE_LEVEL_MAX 9

/* By window bits, and by level: services of one worker may differ in it. */
struct ws_compressors {
    struct deflate_compressor *of[DEFLATE_BITS_MAX + 1][WS_DEFLATE_LEVEL_MAX + 1];
};

struct ws_shared {
    struct ws_compressors any, small;
    struct deflate_inflater *inflater; /* of 15 bits */
};

void ws_shared_done(struct ws_shared *shared);

/* For a connection that has agreed on these terms. NULL without memory. */
struct ws_deflate *ws_deflate_new(const struct ws_deflate_terms *terms);
void ws_deflate_free(struct ws_deflate *deflate);

/* Its memory, with that of a compressor of its own. */
size_t ws_deflate_held(const struct ws_deflate *deflate);

/* The window bits that it sends with. */
uint32_t ws_deflate_bits(const struct ws_deflate *deflate);

/* Append the message, compressed. 0 or CREW_ENOMEM. */
int ws_deflate_message(struct ws_deflate *deflate, struct ws_shared *shared, int level,
                       const void *data, size_t len, struct codec_buffer **out);

#endif
