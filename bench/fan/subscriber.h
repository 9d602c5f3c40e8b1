/* SPDX-License-Identifier: MIT
 *
 * One process of subscribers: opens its share of the connections, joins, counts what comes.
 */
#ifndef CREWMAN_BENCH_FAN_SUBSCRIBER_H
#define CREWMAN_BENCH_FAN_SUBSCRIBER_H

#include "members.h"

/* Runs until the parent says that it is over, and ends the process. */
__attribute__((noreturn)) void subscriber_run(const struct options *options,
                                              struct shared *shared, unsigned number);

#endif
