/* SPDX-License-Identifier: MIT
 *
 * What the load generator is asked to do.
 */
#ifndef CREWMAN_BENCH_OPTIONS_H
#define CREWMAN_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/arguments.h"

enum load_protocol { LOAD_WS, LOAD_HTTP, LOAD_TEXT, LOAD_RAW };
enum load_mode {
    MODE_ECHO,      /* request and response, closed loop, or open loop with a rate */
    MODE_HANDSHAKE, /* connect, handshake, close, again */
    MODE_IDLE,      /* connect all, hold, answer pings */
    MODE_BURST      /* connect all at once, then tell and end */
};

struct options {
    enum load_protocol protocol;
    enum load_mode mode;
    const char *host;
    uint16_t port;
    const char *path;
    unsigned connections, depth, sources, first_source;
    size_t size;            /* of a payload */
    size_t raw_in, raw_out; /* raw: bytes that the server sends and gets for each */
    double rate;            /* messages a second over all connections; 0: closed loop */
    double warmup_s, duration_s;
    bool offers_deflate; /* permessage-deflate with no context takeover */
    bool is_binary;
    struct argument_pids pids; /* server processes whose CPU time is read */
};

/* Exits with 2 and a usage text on a wrong word. */
void options_read(struct options *options, int argc, char **argv);

#endif
