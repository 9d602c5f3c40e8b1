/* SPDX-License-Identifier: MIT
 *
 * A log-linear histogram of durations: 64 steps to each power of two, so that any value is
 * known to 1.6 %. Pure.
 */
#ifndef CREWMAN_BENCH_HISTOGRAM_H
#define CREWMAN_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB     64u
#define HISTOGRAM_BUCKETS (59u * HISTOGRAM_SUB)

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t total, max;
};

void histogram_add(struct histogram *histogram, uint64_t value);

/* The value at or below which `part` (0..1) of all lie, rounded up to its step; 0 when there
 * are none. */
uint64_t histogram_quantile(const struct histogram *histogram, double part);

#endif
