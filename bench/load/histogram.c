/* SPDX-License-Identifier: MIT
 *
 * Values below 64 have a bucket each; above, the six bits behind the leading one choose the
 * bucket.
 */
#include "histogram.h"

static unsigned bucket_of(uint64_t value) {
    if (value < HISTOGRAM_SUB)
        return (unsigned)value;
    unsigned top = 63u - (unsigned)__builtin_clzll(value);
    unsigned shift = top - 6;
    return (shift + 1) * HISTOGRAM_SUB + (unsigned)((value >> shift) & (HISTOGRAM_SUB - 1));
}

static uint64_t upper_end(unsigned bucket) {
    if (bucket < HISTOGRAM_SUB)
        return bucket;
    unsigned shift = bucket / HISTOGRAM_SUB - 1;
    uint64_t low = (uint64_t)(HISTOGRAM_SUB + bucket % HISTOGRAM_SUB) << shift;
    return low + ((uint64_t)1 << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value) {
    unsigned bucket = bucket_of(value);
    histogram->counts[bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1]++;
    histogram->total++;
    if (value > histogram->max)
        histogram->max = value;
}

uint64_t histogram_quantile(const struct histogram *histogram, double part) {
    uint64_t wanted = (uint64_t)(part * (double)histogram->total), seen = 0;
    if (histogram->total == 0)
        return 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->counts[i];
        if (seen > wanted || seen == histogram->total)
            return upper_end(i) < histogram->max ? upper_end(i) : histogram->max;
    }
    return histogram->max;
}
