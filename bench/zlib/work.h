/* SPDX-License-Identifier: MIT
 *
 * What a worker must have zlib do for a compressed message and its answer, and nothing else.
 */
#ifndef CREWMAN_BENCH_WORK_H
#define CREWMAN_BENCH_WORK_H

#include <stdbool.h>

/* The messages are the lines of a file; the other three are zlib's parameters for the answers.
 */
bool work_open(const char *path, int level, int bits, int memory);

/* Inflate the next message, which a client compressed with zlib's defaults, and deflate it
 * again. False when it does not come out as it was. */
bool work_one(void);

#endif
