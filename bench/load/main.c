/* SPDX-License-Identifier: MIT
 *
 * The load generator: runs once, prints one JSON object, exits 0 when every answer was right.
 */
#include <stdio.h>

#include "engine.h"

static void print(const struct options *options, const struct counts *counts) {
    double each = counts->done ? counts->cpu_s / (double)counts->done * 1e6 : 0;
    printf("{\"done\": %llu, \"seconds\": %.4f, \"per_second\": %.1f, \"open\": %u, ",
           (unsigned long long)counts->done, counts->seconds,
           (double)counts->done / (counts->seconds > 0 ? counts->seconds : 1), counts->open);
    if (options->pids.count > 0)
        printf("\"server_cpu_s\": %.6f, \"server_cpu_us_each\": %.4f, ", counts->cpu_s, each);
    printf("\"latency_us\": {\"p50\": %.1f, \"p99\": %.1f, \"p999\": %.1f, \"max\": %.1f}, ",
           (double)histogram_quantile(&counts->latency, 0.5) / 1e3,
           (double)histogram_quantile(&counts->latency, 0.99) / 1e3,
           (double)histogram_quantile(&counts->latency, 0.999) / 1e3,
           (double)counts->latency.max / 1e3);
    printf(
        "\"pings\": %llu, \"errors\": {\"connect\": %llu, \"broken\": %llu, \"wrong\": %llu, "
        "\"first\": \"%s\"}}\n",
        (unsigned long long)counts->pings, (unsigned long long)counts->connect_errors,
        (unsigned long long)counts->broken, (unsigned long long)counts->wrong,
        counts->first_error);
}

int main(int argc, char **argv) {
    struct options options;
    static struct counts counts;
    options_read(&options, argc, argv);
    engine_run(&options, &counts);
    print(&options, &counts);
    return counts.connect_errors + counts.broken + counts.wrong == 0 ? 0 : 1;
}
