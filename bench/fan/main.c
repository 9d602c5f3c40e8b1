/* SPDX-License-Identifier: MIT
 *
 * The fan load: N subscribers spread over R rooms, one publisher that says a message to a room
 * again and again. Prints one JSON object: when the first, the middle and the last member got
 * it, and what the server's processes spent. Exits with 0 when each message reached each member
 * of its room once, with 1 when one was lost, doubled or astray, with 2 when nothing could be
 * measured.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../common/cputime.h"
#include "members.h"
#include "peer.h"
#include "wire.h"

#define PUBLISHER   999999u
#define OPEN_MAX_MS 120000.0

/* What is measured in a round, in µs since the message was said. */
enum { FIRST, MIDDLE, P99, LAST, CPU, MEASURES };
static const char *const measure_names[MEASURES] = {"first", "p50", "p99", "last", "cpu"};

struct outcome {
    double us[MEASURES];
    unsigned got, expected;
};

struct fan {
    struct options options;
    struct members members;
    int publisher;
    uint64_t *stamps;
    char message[WIRE_MESSAGE_MAX + 1];
};

static void sleep_ms(double ms) {
    struct timespec time = {(time_t)(ms / 1000), 0};
    time.tv_nsec = (long)((ms - 1000.0 * (double)time.tv_sec) * 1e6);
    while (nanosleep(&time, &time) != 0 && errno == EINTR)
        ;
}

static void raise_limit(void) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

static void wait_joined(struct fan *fan) {
    struct sums sums = {0};
    uint64_t start = members_now_ns();
    while (sums.joined < fan->options.connections) {
        members_sum(&fan->members, &sums);
        if (sums.failed + sums.closed > 0)
            peer_fail("%u subscribers were refused, %u closed", sums.failed, sums.closed);
        if ((double)(members_now_ns() - start) > OPEN_MAX_MS * 1e6)
            peer_fail("only %u of %u joined", sums.joined, fan->options.connections);
        if (members_is_broken(&fan->members))
            peer_fail("a process of subscribers has ended");
        sleep_ms(5);
    }
    sleep_ms(fan->options.settle_ms);
}

static void read_upgrade(int fd) {
    char answer[4096] = "";
    size_t have = 0;
    while (!strstr(answer, "\r\n\r\n")) {
        ssize_t got = recv(fd, answer + have, sizeof(answer) - 1 - have, 0);
        if (got <= 0)
            peer_fail("the publisher got no upgrade");
        have += (size_t)got;
        answer[have] = '\0';
    }
    if (strncmp(answer, "HTTP/1.1 101", 12) != 0)
        peer_fail("the publisher got: %.60s", answer);
}

static void open_publisher(struct fan *fan) {
    int fd = peer_connect(fan->options.port, NULL);
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    if (fd < 0 || poll(&ready, 1, 5000) != 1)
        peer_fail("the publisher cannot connect");
    fcntl(fd, F_SETFL, 0);
    if (!fan->options.is_raw) {
        if (!peer_send_upgrade(&fan->options, fd, 0))
            peer_fail("the publisher's upgrade was not taken");
        read_upgrade(fd);
    }
    if (fan->options.publisher_joins && !peer_join(&fan->options, fd, 0))
        peer_fail("the publisher's join was not taken");
    fan->publisher = fd;
    sleep_ms(200);
}

/* What comes back to the publisher is thrown away. */
static void drain_publisher(const struct fan *fan) {
    char junk[65536];
    while (recv(fan->publisher, junk, sizeof(junk), MSG_DONTWAIT) > 0)
        ;
}

static unsigned members_of(const struct options *options, unsigned room) {
    unsigned count = 0;
    for (unsigned i = 0; i < options->connections; i++)
        count += members_is_in(options, i, room);
    return count;
}

static int compare_stamps(const void *a, const void *b) {
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static int compare_values(const void *a, const void *b) {
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void read_times(struct fan *fan, uint64_t said, struct outcome *outcome) {
    unsigned count = members_stamps(&fan->members, fan->stamps);
    if (count == 0)
        return;
    qsort(fan->stamps, count, sizeof(*fan->stamps), compare_stamps);
    size_t at[] = {0, count / 2, (size_t)count * 99 / 100, count - 1};
    for (int i = FIRST; i <= LAST; i++)
        outcome->us[i] = (double)(int64_t)(fan->stamps[at[i]] - said) / 1e3;
}

static void wait_delivered(struct fan *fan, struct outcome *outcome) {
    uint64_t end = members_now_ns() + (uint64_t)(fan->options.timeout_ms * 1e6);
    struct sums sums;
    for (;;) {
        members_sum(&fan->members, &sums);
        outcome->got = sums.got;
        if (sums.got >= outcome->expected || members_now_ns() >= end)
            return;
        sleep_ms(outcome->expected > 100 ? 1 : 0.02);
    }
}

static struct outcome one_round(struct fan *fan, unsigned round) {
    const struct options *options = &fan->options;
    unsigned room = members_room(options, round);
    struct outcome outcome = {.expected = members_of(options, room)};
    bool is_quiet = options->quiet_ms > 0;
    wire_make_message(fan->message, options->size, round);
    members_begin(&fan->members, round, is_quiet);
    if (is_quiet)
        sleep_ms(5);
    double cpu = cputime_read(options->pids.items, options->pids.count);
    uint64_t said = members_now_ns();
    if (!peer_say(options, fan->publisher, options->say, room, PUBLISHER, fan->message))
        peer_fail("a message was not taken");
    if (is_quiet) {
        sleep_ms(options->quiet_ms);
        members_read_on(&fan->members);
    }
    wait_delivered(fan, &outcome);
    sleep_ms(1);
    outcome.us[CPU] = (cputime_read(options->pids.items, options->pids.count) - cpu) * 1e6;
    read_times(fan, said, &outcome);
    drain_publisher(fan);
    sleep_ms(options->gap_ms);
    return outcome;
}

static double quantile(const double *sorted, unsigned count, double share) {
    return count ? sorted[(unsigned)(share * (count - 1) + 0.5)] : 0;
}

static void print_measure(const struct outcome *all, unsigned count, int which) {
    double *values = calloc(count ? count : 1, sizeof(*values));
    if (!values)
        peer_fail("out of memory");
    for (unsigned i = 0; i < count; i++)
        values[i] = all[i].us[which];
    qsort(values, count, sizeof(*values), compare_values);
    printf(", \"%s_us\": {\"min\": %.1f, \"p50\": %.1f, \"p95\": %.1f}", measure_names[which],
           quantile(values, count, 0), quantile(values, count, 0.5),
           quantile(values, count, 0.95));
    free(values);
}

/* Answers how many deliveries were lost, doubled or astray. */
static unsigned print(const struct fan *fan, const struct outcome *all) {
    unsigned count = fan->options.rounds, got = 0, expected = 0;
    double cpu = 0, seconds = 0;
    struct sums sums;
    members_sum(&fan->members, &sums);
    for (unsigned i = 0; i < count; i++) {
        got += all[i].got;
        expected += all[i].expected;
        cpu += all[i].us[CPU];
        seconds += all[i].us[LAST] / 1e6;
    }
    printf("{\"rounds\": %u, \"expected\": %u, \"got\": %u, \"twice\": %u, \"stray\": %u, "
           "\"closed\": %u, \"compressed\": %u, \"server_cpu_us_each\": %.4f, "
           "\"per_second\": %.1f",
           count, expected, got, sums.twice, sums.stray, sums.closed, sums.compressed,
           got ? cpu / got : 0, seconds > 0 ? got / seconds : 0);
    for (int i = 0; i < MEASURES; i++)
        print_measure(all, count, i);
    printf("}\n");
    return expected - got + sums.twice + sums.stray;
}

int main(int argc, char **argv) {
    static struct fan fan;
    options_read(&fan.options, argc, argv);
    raise_limit();
    members_start(&fan.members, &fan.options);
    wait_joined(&fan);
    open_publisher(&fan);
    fan.stamps = calloc(fan.options.connections, sizeof(*fan.stamps));
    struct outcome *outcomes = calloc(fan.options.rounds + 1, sizeof(*outcomes));
    if (!fan.stamps || !outcomes)
        peer_fail("out of memory");
    for (unsigned i = 0; i < fan.options.warmup; i++)
        (void)one_round(&fan, i + 1);
    for (unsigned i = 0; i < fan.options.rounds; i++)
        outcomes[i] = one_round(&fan, fan.options.warmup + i + 1);
    unsigned wrong = print(&fan, outcomes);
    members_stop(&fan.members);
    free(outcomes);
    free(fan.stamps);
    return wrong > 0 ? 1 : 0;
}
