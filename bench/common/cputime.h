/* SPDX-License-Identifier: MIT
 *
 * CPU time of other processes, as the operating system counts it.
 */
#ifndef CREWMAN_BENCH_CPUTIME_H
#define CREWMAN_BENCH_CPUTIME_H

/* User and system seconds of all threads of these processes since they started. */
double cputime_read(const int *pids, unsigned count);

#endif
