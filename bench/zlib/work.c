/* SPDX-License-Identifier: MIT
 *
 * See work.h.
 */
#include "work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <zlib.h>

#define MESSAGES_MAX 64

struct message {
    char *text, *wire;
    uLong len, wire_len;
};

static struct message messages[MESSAGES_MAX];
static int count, next;
static z_stream deflater, inflater;

static void point(z_stream *stream, char *in, uLong len, char *out, uLong room) {
    stream->next_in = (Bytef *)in;
    stream->avail_in = (uInt)len;
    stream->next_out = (Bytef *)out;
    stream->avail_out = (uInt)room;
}

static uLong compress_into(z_stream *stream, char *in, uLong len, char *out, uLong room) {
    point(stream, in, len, out, room);
    deflate(stream, Z_SYNC_FLUSH);
    deflateReset(stream);
    return room - stream->avail_out;
}

static void expand(z_stream *stream, char *in, uLong len, char *out, uLong room) {
    point(stream, in, len, out, room);
    inflate(stream, Z_SYNC_FLUSH);
    inflateReset(stream);
}

static void read_messages(const char *path) {
    z_stream sender = {0};
    FILE *file = fopen(path, "rb");
    size_t room = 0;
    if (!file)
        return;
    deflateInit2(&sender, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -15, 8, 0);
    for (; count < MESSAGES_MAX; count++) {
        struct message *message = &messages[count];
        ssize_t len = getline(&message->text, &room, file);
        if (len <= 1)
            break;
        room = 0;
        message->len = (uLong)len - 1;
        uLong wire_room = deflateBound(&sender, message->len) + 64;
        message->wire = malloc(wire_room);
        message->wire_len =
            compress_into(&sender, message->text, message->len, message->wire, wire_room);
    }
    fclose(file);
}

bool work_open(const char *path, int level, int bits, int memory) {
    read_messages(path);
    return count > 0 && deflateInit2(&deflater, level, Z_DEFLATED, -bits, memory, 0) == Z_OK &&
           inflateInit2(&inflater, -15) == Z_OK;
}

bool work_one(void) {
    static char back[1 << 20], wire[(1 << 20) + 1024];
    const struct message *message = &messages[next++ % count];
    expand(&inflater, message->wire, message->wire_len, back, sizeof(back));
    compress_into(&deflater, back, message->len, wire, sizeof(wire));
    return memcmp(back, message->text, message->len) == 0;
}
