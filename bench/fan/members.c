/* SPDX-License-Identifier: MIT
 *
 * See members.h.
 */
#include "members.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "peer.h"
#include "subscriber.h"

uint64_t members_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

unsigned members_room(const struct options *options, unsigned round) {
    return (round * 7919u) % options->rooms; /* a prime: all rooms have their turn */
}

bool members_is_in(const struct options *options, unsigned subscriber, unsigned room) {
    unsigned rooms = options->rooms;
    return (room + rooms - subscriber % rooms) % rooms < options->joins_each;
}

static void *share(size_t size) {
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        peer_fail("out of memory");
    return memory;
}

static void start_one(struct members *members, const struct options *options, unsigned number,
                      unsigned first) {
    struct tally *tally = &members->shared->tallies[number];
    tally->first = first;
    tally->count = (options->connections - first) / (members->processes - number);
    tally->stamps = members->stamps + first;
    tally->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    members->pids[number] = fork();
    if (members->pids[number] < 0)
        peer_fail("fork: %s", strerror(errno));
    if (members->pids[number] == 0)
        subscriber_run(options, members->shared, number);
}

void members_start(struct members *members, const struct options *options) {
    members->processes = (options->connections + MEMBERS_EACH - 1) / MEMBERS_EACH;
    members->shared = share(sizeof(*members->shared));
    members->stamps = share(options->connections * sizeof(*members->stamps));
    for (unsigned i = 0, first = 0; i < members->processes; i++) {
        start_one(members, options, i, first);
        first += members->shared->tallies[i].count;
    }
}

void members_sum(const struct members *members, struct sums *out_sums) {
    *out_sums = (struct sums){0};
    for (unsigned i = 0; i < members->processes; i++) {
        struct tally *tally = &members->shared->tallies[i];
#define SUMS_ADD(name) out_sums->name += atomic_load(&tally->name);
        TALLY_COUNTS(SUMS_ADD)
#undef SUMS_ADD
    }
}

static void wake_all(struct members *members) {
    uint64_t one = 1;
    for (unsigned i = 0; i < members->processes; i++)
        if (write(members->shared->tallies[i].wake, &one, sizeof(one)) < 0 && errno != EAGAIN)
            peer_fail("eventfd: %s", strerror(errno));
}

void members_begin(struct members *members, unsigned round, bool is_quiet) {
    for (unsigned i = 0; i < members->processes; i++)
        atomic_store(&members->shared->tallies[i].got, 0);
    atomic_store(&members->shared->round, round);
    atomic_store(&members->shared->is_quiet, is_quiet);
    wake_all(members);
}

void members_read_on(struct members *members) {
    atomic_store(&members->shared->is_quiet, 0);
    wake_all(members);
}

unsigned members_stamps(const struct members *members, uint64_t *out) {
    unsigned total = 0;
    for (unsigned i = 0; i < members->processes; i++) {
        const struct tally *tally = &members->shared->tallies[i];
        unsigned got = atomic_load(&tally->got);
        if (got > tally->count)
            got = tally->count;
        memcpy(out + total, tally->stamps, got * sizeof(*out));
        total += got;
    }
    return total;
}

bool members_is_broken(const struct members *members) {
    for (unsigned i = 0; i < members->processes; i++)
        if (waitpid(members->pids[i], NULL, WNOHANG) != 0)
            return true;
    return false;
}

void members_stop(struct members *members) {
    atomic_store(&members->shared->is_over, 1);
    members_read_on(members);
    for (unsigned i = 0; i < members->processes; i++)
        waitpid(members->pids[i], NULL, 0);
}
