/* SPDX-License-Identifier: MIT
 *
 * zlib behind deflate.h.
 */
#include "deflate.h"

#include <assert.h>
#include <stdint.h>
#include <zlib.h>

#include "codec_memory.h"

#define PIECE_MAX (1u << 30) /* zlib counts in 32 bits */

/* data_type of z_stream after inflate(), see zlib.h. */
#define AT_BLOCK_END 128
#define UNUSED_BITS  7

const char deflate_tail[4] = {0, 0, (char)0xff, (char)0xff};

struct deflate_inflater {
    z_stream stream;
    size_t held;
};

struct deflate_compressor {
    z_stream stream;
    size_t held;
    bool keeps_context;
};

/* `opaque` counts it. zlib frees nothing before the end. */
static void *allocate(void *opaque, unsigned items, unsigned size) {
    if (size > 0 && items > SIZE_MAX / size)
        return NULL;
    void *memory = codec_memory_resize(NULL, (size_t)items * size);
    if (memory)
        *(size_t *)opaque += (size_t)items * size;
    return memory;
}

static void release(void *opaque, void *memory) {
    (void)opaque;
    codec_memory_free(memory);
}

static z_stream fresh_stream(size_t *held) {
    return (z_stream){.zalloc = allocate, .zfree = release, .opaque = held};
}

struct deflate_inflater *deflate_inflater_new(int bits) {
    struct deflate_inflater *inflater = codec_memory_resize(NULL, sizeof(*inflater));
    if (!inflater)
        return NULL;
    inflater->held = sizeof(*inflater);
    inflater->stream = fresh_stream(&inflater->held);
    if (inflateInit2(&inflater->stream, -bits) != Z_OK) {
        codec_memory_free(inflater);
        return NULL;
    }
    return inflater;
}

void deflate_inflater_free(struct deflate_inflater *inflater) {
    if (!inflater)
        return;
    inflateEnd(&inflater->stream);
    codec_memory_free(inflater);
}

size_t deflate_inflater_held(const struct deflate_inflater *inflater) {
    return inflater->held;
}

void deflate_inflater_reset(struct deflate_inflater *inflater) {
    inflateReset(&inflater->stream);
}

static unsigned piece_of(size_t len) {
    return len < PIECE_MAX ? (unsigned)len : PIECE_MAX;
}

/* One call of inflate(). Answers its result, or Z_MEM_ERROR. */
static int inflate_some(z_stream *stream, const char **in, size_t *in_len) {
    unsigned piece = piece_of(*in_len);
    stream->next_in = (unsigned char *)(uintptr_t)*in;
    stream->avail_in = piece;
    int result = inflate(stream, Z_SYNC_FLUSH);
    unsigned used = piece - stream->avail_in;
    if (used > 0)
        *in += used;
    *in_len -= used;
    /* RFC 7692 section 7.2.3.4: a block may be marked as the last, and others follow all the
     * same. The window goes on with them. */
    if (result == Z_STREAM_END)
        inflateResetKeep(stream);
    return result;
}

int deflate_inflate(struct deflate_inflater *inflater, const char **in, size_t *in_len,
                    char *out, size_t capacity, size_t *out_made) {
    z_stream *stream = &inflater->stream;
    size_t made = 0;
    int result = Z_OK;
    while (made < capacity && (result == Z_OK || result == Z_STREAM_END)) {
        unsigned room = piece_of(capacity - made);
        stream->next_out = (unsigned char *)out + made;
        stream->avail_out = room;
        result = inflate_some(stream, in, in_len);
        made += room - stream->avail_out;
        if (*in_len == 0 && stream->avail_out > 0)
            break;
    }
    *out_made = made;
    if (made == capacity) /* an error shows again at the next call */
        return 1;
    if (result == Z_MEM_ERROR)
        return DEFLATE_NO_MEMORY;
    return result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR ? 0
                                                                             : DEFLATE_CORRUPT;
}

bool deflate_inflater_is_between(const struct deflate_inflater *inflater) {
    return (inflater->stream.data_type & AT_BLOCK_END) != 0 &&
           (inflater->stream.data_type & UNUSED_BITS) == 0;
}

struct deflate_compressor *deflate_compressor_new(int bits, int level, int memory,
                                                  bool keeps_context) {
    assert(bits >= DEFLATE_BITS_MIN && bits <= DEFLATE_BITS_MAX);
    struct deflate_compressor *compressor = codec_memory_resize(NULL, sizeof(*compressor));
    if (!compressor)
        return NULL;
    compressor->held = sizeof(*compressor);
    compressor->stream = fresh_stream(&compressor->held);
    compressor->keeps_context = keeps_context;
    if (deflateInit2(&compressor->stream, level, Z_DEFLATED, -bits, memory,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        codec_memory_free(compressor);
        return NULL;
    }
    return compressor;
}

void deflate_compressor_free(struct deflate_compressor *compressor) {
    if (!compressor)
        return;
    deflateEnd(&compressor->stream);
    codec_memory_free(compressor);
}

size_t deflate_compressor_held(const struct deflate_compressor *compressor) {
    return compressor->held;
}

/* Compress the stream's input and flush it, into room that is made as it is needed. */
static bool run(z_stream *stream, int flush, struct codec_buffer **out) {
    do {
        size_t more = deflateBound(stream, stream->avail_in) + sizeof(deflate_tail) + 8;
        if (!codec_buffer_reserve(out, more))
            return false;
        size_t room = (*out)->capacity - (*out)->len;
        stream->next_out = (unsigned char *)(*out)->data + (*out)->len;
        stream->avail_out = piece_of(room);
        size_t before = stream->avail_out;
        deflate(stream, flush);
        (*out)->len += before - stream->avail_out;
    } while (stream->avail_out == 0);
    return true;
}

int deflate_compress(struct deflate_compressor *compressor, const char *data, size_t len,
                     struct codec_buffer **out) {
    z_stream *stream = &compressor->stream;
    bool is_done = true;
    if (len == 0) /* section 7.2.3.6; zlib makes nothing of nothing */
        return codec_buffer_append(out, deflate_tail, 1, 1) ? 0 : DEFLATE_NO_MEMORY;
    do {
        unsigned piece = piece_of(len);
        stream->next_in = (unsigned char *)(uintptr_t)data;
        stream->avail_in = piece;
        len -= piece;
        if (len > 0)
            data += piece;
        is_done = run(stream, len > 0 ? Z_NO_FLUSH : Z_SYNC_FLUSH, out);
    } while (is_done && len > 0);
    if (!is_done || !compressor->keeps_context)
        deflateReset(stream);
    if (!is_done)
        return DEFLATE_NO_MEMORY;
    assert((*out)->len >= sizeof(deflate_tail));
    (*out)->len -= sizeof(deflate_tail);
    return 0;
}
