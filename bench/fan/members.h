/* SPDX-License-Identifier: MIT
 *
 * The processes that hold the subscribers, seen from the one that measures: at most
 * MEMBERS_EACH connections a process, with counts in shared memory that the process alone
 * writes.
 */
#ifndef CREWMAN_BENCH_FAN_MEMBERS_H
#define CREWMAN_BENCH_FAN_MEMBERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "options.h"

#define MEMBERS_EACH      15000u
#define MEMBERS_PROCESSES 64u
#define MEMBERS_MAX       (MEMBERS_EACH * MEMBERS_PROCESSES)

/* name: what is counted since the start, `got` since the round began */
#define TALLY_COUNTS(X)                                                                        \
    X(open) X(joined) X(failed) X(closed) X(got) X(twice) X(stray) X(compressed)

struct tally {
#define TALLY_MEMBER(name) _Atomic unsigned name;
    TALLY_COUNTS(TALLY_MEMBER)
#undef TALLY_MEMBER
    int wake; /* eventfd: look at what the parent says */
    unsigned first, count;
    uint64_t *stamps; /* when each of `got` came */
};

struct sums {
#define SUMS_MEMBER(name) unsigned name;
    TALLY_COUNTS(SUMS_MEMBER)
#undef SUMS_MEMBER
};

struct shared {
    _Atomic unsigned round, is_quiet, is_over;
    struct tally tallies[MEMBERS_PROCESSES];
};

struct members {
    struct shared *shared;
    uint64_t *stamps;
    unsigned processes;
    pid_t pids[MEMBERS_PROCESSES];
};

/* The room that the message of a round is for, and whether a subscriber is in a room. */
unsigned members_room(const struct options *options, unsigned round);
bool members_is_in(const struct options *options, unsigned subscriber, unsigned room);

/* Fork them; they connect and join at once. */
void members_start(struct members *members, const struct options *options);

void members_sum(const struct members *members, struct sums *out_sums);

/* A message of this round will be said; quiet: read nothing until members_read_on(). */
void members_begin(struct members *members, unsigned round, bool is_quiet);
void members_read_on(struct members *members);

/* The stamps of this round; answers how many. `out` has room for one a connection. */
unsigned members_stamps(const struct members *members, uint64_t *out);

/* Whether one of the processes has ended by itself. */
bool members_is_broken(const struct members *members);
void members_stop(struct members *members);

/* Wall clock, in which the kernel's receive stamps are. */
uint64_t members_now_ns(void);

#endif
