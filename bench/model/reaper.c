/* SPDX-License-Identifier: MIT
 *
 * The tick of the reaper with many quiet connections in its lists, in a model: every connection
 * has received something after the last probe, none is due. Prints the time of a tick for 1,000
 * and for 1,000,000 of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "liveness.h"

#define TICKS 1000

static void surprise(void *owner, struct liveness_node *node) {
    (void)owner;
    (void)node;
    abort(); /* nobody is due */
}

static void surprise_expired(void *owner, struct liveness_node *node, enum deadline deadline) {
    (void)deadline;
    surprise(owner, node);
}

static double now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* Ticks are an hour's worth of seconds, so that none is due while it is measured. */
static double measure(size_t count) {
    static const struct liveness_found found = {surprise, surprise, surprise_expired};
    struct liveness lists;
    liveness_init(&lists);
    lists.idle_ticks = 2 * TICKS;
    lists.probe_ticks = TICKS + 1;
    struct liveness_node *nodes = calloc(count, sizeof(*nodes));
    if (!nodes)
        exit(1);
    for (size_t i = 0; i < count; i++)
        liveness_add(&lists, &nodes[i]);
    double start = now_us();
    for (int i = 0; i < TICKS; i++)
        liveness_tick(&lists, &found, NULL);
    double each = (now_us() - start) / TICKS;
    free(nodes);
    return each;
}

int main(void) {
    double few = measure(1000), many = measure(1000000);
    printf("{\"tick_us_1000\": %.4f, \"tick_us_1000000\": %.4f}\n", few, many);
    return 0;
}
