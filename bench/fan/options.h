/* SPDX-License-Identifier: MIT
 *
 * What the fan load is asked to do.
 */
#ifndef CREWMAN_BENCH_FAN_OPTIONS_H
#define CREWMAN_BENCH_FAN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "../common/arguments.h"

struct options {
    uint16_t port, second_port; /* where every second subscriber connects; 0: the same */
    const char *path, *say;     /* templates, see wire.h */
    struct argument_texts joins;
    unsigned connections, rooms;
    unsigned joins_each; /* rooms that each subscriber joins */
    unsigned acks;       /* messages that it waits for before it counts as joined */
    unsigned size;       /* of a message */
    unsigned rounds, warmup;
    double gap_ms, quiet_ms, timeout_ms, settle_ms;
    bool is_raw;         /* no WebSocket: the templates are what goes over the wire */
    bool offers_deflate; /* permessage-deflate without context takeover */
    bool publisher_joins;
    struct argument_pids pids; /* server processes whose CPU time is read */
};

/* Exits with 2 and a usage text on a wrong word. */
void options_read(struct options *options, int argc, char **argv);

#endif
