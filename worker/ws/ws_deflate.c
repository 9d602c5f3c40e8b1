/* SPDX-License-Identifier: MIT
 *
 * See ws_deflate.h.
 */
#include "ws_deflate.h"

#include <stdlib.h>

#include "codec_memory.h"
#include "crewman.h"

#define MEMORY_LEVEL 8

/* A message without a past is no longer than its own window needs to be. Its compressor is
 * wiped for each message: 8 KiB of hash table in place of 64. */
#define SHORT_MAX          4096u
#define SHORT_BITS         12
#define SHORT_MEMORY_LEVEL 5

struct ws_deflate {
    struct ws_deflate_terms terms;
    struct deflate_compressor *own; /* with context takeover, once it is needed */
};

static void compressors_done(struct ws_compressors *compressors) {
    for (int bits = 0; bits <= DEFLATE_BITS_MAX; bits++)
        for (int level = 0; level <= WS_DEFLATE_LEVEL_MAX; level++)
            deflate_compressor_free(compressors->of[bits][level]);
}

void ws_shared_done(struct ws_shared *shared) {
    compressors_done(&shared->any);
    compressors_done(&shared->small);
    deflate_inflater_free(shared->inflater);
    *shared = (struct ws_shared){0};
}

struct ws_deflate *ws_deflate_new(const struct ws_deflate_terms *terms) {
    struct ws_deflate *deflate = calloc(1, sizeof(*deflate));
    if (deflate)
        deflate->terms = *terms;
    return deflate;
}

void ws_deflate_free(struct ws_deflate *deflate) {
    if (!deflate)
        return;
    deflate_compressor_free(deflate->own);
    free(deflate);
}

size_t ws_deflate_held(const struct ws_deflate *deflate) {
    return sizeof(*deflate) + (deflate->own ? deflate_compressor_held(deflate->own) : 0);
}

uint32_t ws_deflate_bits(const struct ws_deflate *deflate) {
    return (uint32_t)deflate->terms.server_bits;
}

int ws_deflate_message(struct ws_deflate *deflate, struct ws_shared *shared, int level,
                       const void *data, size_t len, struct codec_buffer **out) {
    const struct ws_deflate_terms *terms = &deflate->terms;
    bool is_short = !terms->server_keeps_context && len <= SHORT_MAX;
    int bits = is_short && terms->server_bits > SHORT_BITS ? SHORT_BITS : terms->server_bits;
    struct ws_compressors *compressors = is_short ? &shared->small : &shared->any;
    struct deflate_compressor **compressor =
        terms->server_keeps_context ? &deflate->own : &compressors->of[bits][level];
    if (!*compressor)
        *compressor =
            deflate_compressor_new(bits, level, is_short ? SHORT_MEMORY_LEVEL : MEMORY_LEVEL,
                                   terms->server_keeps_context);
    if (!*compressor || deflate_compress(*compressor, data, len, out) != 0)
        return CREW_ENOMEM;
    return 0;
}
