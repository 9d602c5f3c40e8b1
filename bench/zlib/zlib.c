/* SPDX-License-Identifier: MIT
 *
 * What compression alone costs: inflates and deflates messages in turn, raw, with the
 * parameters that a worker uses, and prints the CPU time of one. The file has a message a line.
 * usage: bench-zlib FILE LEVEL WINDOW-BITS MEMORY-LEVEL SECONDS
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <zlib.h>

#define MESSAGES_MAX 64

static double cpu_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uLong compress_into(z_stream *stream, char *in, uLong len, char *out, uLong room) {
    stream->next_in = (Bytef *)in;
    stream->avail_in = (uInt)len;
    stream->next_out = (Bytef *)out;
    stream->avail_out = (uInt)room;
    deflate(stream, Z_SYNC_FLUSH);
    deflateReset(stream);
    return room - stream->avail_out;
}

static void expand(z_stream *stream, char *in, uLong len, char *out, uLong room) {
    stream->next_in = (Bytef *)in;
    stream->avail_in = (uInt)len;
    stream->next_out = (Bytef *)out;
    stream->avail_out = (uInt)room;
    inflate(stream, Z_SYNC_FLUSH);
    inflateReset(stream);
}

struct message {
    char *text, *wire;
    uLong len, wire_len;
};

static int read_messages(const char *path, struct message *out) {
    z_stream sender = {0};
    FILE *file = fopen(path, "rb");
    size_t room = 0;
    int count = 0;
    if (!file)
        return 0;
    deflateInit2(&sender, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -15, 8, 0);
    for (; count < MESSAGES_MAX; count++) {
        struct message *message = &out[count];
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
    return count;
}

int main(int argc, char **argv) {
    static struct message messages[MESSAGES_MAX];
    static char back[1 << 20], wire[(1 << 20) + 1024];
    z_stream deflater = {0}, inflater = {0};
    int count = argc == 6 ? read_messages(argv[1], messages) : 0;
    if (count == 0)
        return 2;
    deflateInit2(&deflater, atoi(argv[2]), Z_DEFLATED, -atoi(argv[3]), atoi(argv[4]), 0);
    inflateInit2(&inflater, -15);
    double start = cpu_s(), seconds = atof(argv[5]);
    unsigned long done = 0;
    for (int i = 0; cpu_s() - start < seconds; i = (i + 1) % count)
        for (int burst = 0; burst < count; burst++, done++) {
            const struct message *message = &messages[(i + burst) % count];
            expand(&inflater, message->wire, message->wire_len, back, sizeof(back));
            compress_into(&deflater, back, message->len, wire, sizeof(wire));
            if (memcmp(back, message->text, message->len) != 0)
                return 1;
        }
    printf("{\"cpu_us\": %.4f}\n", (cpu_s() - start) / (double)done * 1e6);
    return 0;
}
