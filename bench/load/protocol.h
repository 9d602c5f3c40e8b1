/* SPDX-License-Identifier: MIT
 *
 * What the load generator says and what it must hear: prepared request bytes, and a reader that
 * checks every byte of the answers. A connection uses one of PATTERNS payloads, so that an
 * answer which belongs to another is noticed.
 */
#ifndef CREWMAN_BENCH_PROTOCOL_H
#define CREWMAN_BENCH_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include "options.h"

#define PATTERNS 16

struct bytes {
    char *data;
    size_t len;
};

struct protocol {
    const struct options *options;
    struct bytes handshake;          /* len 0: none */
    struct bytes requests[PATTERNS]; /* `depth` copies of one request behind each other */
    size_t request_len[PATTERNS];
    struct bytes payloads[PATTERNS];
    z_stream inflater;
    char *inflated; /* payload size + 1 bytes */
};

void protocol_init(struct protocol *protocol, const struct options *options);

/* Where the reader of one connection stands. Zeroed at the start. */
struct reader {
    unsigned pattern;
    bool is_open;      /* the handshake's answer is complete */
    bool is_deflated;  /* it agreed to permessage-deflate */
    uint8_t head[600]; /* an unfinished head */
    uint16_t head_len;
    uint64_t body_left, body_at;
    uint8_t opcode, first;
    char *gathered; /* a compressed payload */
    size_t gathered_len, gathered_size;
    unsigned pings; /* received and to be answered */
    uint8_t ping[125];
    uint8_t ping_len;
};

/* Check `len` bytes. Answers the number of complete answers (the handshake's not counted), or
 * -1 with `out_why`. */
int reader_feed(struct protocol *protocol, struct reader *reader, const char *data, size_t len,
                const char **out_why);

void reader_done(struct reader *reader);

/* A masked pong frame for the last ping. */
size_t reader_pong(const struct reader *reader, char out_frame[140]);

#endif
