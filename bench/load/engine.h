/* SPDX-License-Identifier: MIT
 *
 * Runs the connections of the load generator on one epoll loop and counts what happens.
 */
#ifndef CREWMAN_BENCH_ENGINE_H
#define CREWMAN_BENCH_ENGINE_H

#include "histogram.h"
#include "options.h"

struct counts {
    uint64_t done; /* answers, or handshakes, in the measured time */
    uint64_t connect_errors, broken,
        wrong; /* refused or reset; ended early; a byte that was not expected */
    uint64_t pings;
    unsigned open;  /* connections that are open at the end */
    double seconds; /* measured */
    double cpu_s;   /* of the server's processes in that time; negative: not known */
    char first_error[128];
    struct histogram latency; /* ns; open loop: from the time at which it was due */
};

void engine_run(const struct options *options, struct counts *out_counts);

#endif
