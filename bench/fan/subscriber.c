/* SPDX-License-Identifier: MIT
 *
 * A delivery is known by its marker: of another round or room it is stray, again for the same
 * subscriber it is doubled. Its time is the kernel's receive stamp, when the bytes reached the
 * socket, not when this process came to read them. Only members.c starts it.
 */
#include "subscriber.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#define ZLIB_CONST
#include <zlib.h>

#include "peer.h"
#include "wire.h"

enum { READ_SIZE = 65536, EVENTS_MAX = 512, CONNECTING_MAX = 100, SOURCE_EACH = 5000 };

enum state { CONNECTING, UPGRADING, OPEN, DEAD };

struct subscriber {
    int fd;
    unsigned number;
    enum state state;
    bool is_joined;
    unsigned acks, round; /* the last one that it was told of */
    char *rest;           /* an unfinished piece */
    size_t rest_len;
};

struct crowd {
    const struct options *options;
    struct shared *shared;
    struct tally *tally;
    struct subscriber *all;
    unsigned index, started;
    int epoll_fd;
    z_stream inflater;
    uint64_t stamp; /* of what is being read */
};

static void set_joined(struct crowd *crowd, struct subscriber *one) {
    if (one->is_joined)
        return;
    one->is_joined = true;
    crowd->tally->joined++;
}

static void set_open(struct crowd *crowd, struct subscriber *one) {
    one->state = OPEN;
    crowd->tally->open++;
    if (!peer_join(crowd->options, one->fd, one->number))
        peer_fail("a join was not taken");
    if (crowd->options->acks == 0)
        set_joined(crowd, one);
}

static void deliver(struct crowd *crowd, struct subscriber *one, unsigned round) {
    struct tally *tally = crowd->tally;
    unsigned got = atomic_load(&tally->got);
    if (round != atomic_load(&crowd->shared->round) ||
        !members_is_in(crowd->options, one->number, members_room(crowd->options, round))) {
        tally->stray++;
    } else if (one->round == round) {
        tally->twice++;
    } else {
        one->round = round;
        if (got < tally->count)
            tally->stamps[got] = crowd->stamp;
        atomic_store(&tally->got, got + 1);
    }
}

/* Answers where the rest behind the last marker begins. */
static const char *deliver_all(struct crowd *crowd, struct subscriber *one, const char *data,
                               size_t len) {
    const char *next, *end = data + len;
    unsigned round;
    if (!one->is_joined && ++one->acks >= crowd->options->acks)
        set_joined(crowd, one);
    while ((next = wire_find_marker(data, (size_t)(end - data), &round)) != NULL) {
        deliver(crowd, one, round);
        data = next;
    }
    return data;
}

static void inflate_message(struct crowd *crowd, const char *data, size_t len, char *plain,
                            size_t *out_len) {
    static const char tail[4] = "\0\0\xff\xff"; /* RFC 7692 section 7.2.2 */
    z_stream *z = &crowd->inflater;
    inflateReset(z);
    z->next_out = (Bytef *)plain;
    z->avail_out = READ_SIZE;
    z->next_in = (const Bytef *)data;
    z->avail_in = (uInt)len;
    inflate(z, Z_SYNC_FLUSH);
    z->next_in = (const Bytef *)tail;
    z->avail_in = sizeof(tail);
    inflate(z, Z_SYNC_FLUSH);
    *out_len = READ_SIZE - z->avail_out;
}

static void take_message(struct crowd *crowd, struct subscriber *one, bool is_compressed,
                         const char *data, size_t len) {
    static char plain[READ_SIZE];
    if (is_compressed) {
        crowd->tally->compressed++;
        inflate_message(crowd, data, len, plain, &len);
        data = plain;
    }
    (void)deliver_all(crowd, one, data, len);
}

/* The head of a frame: its length, and that of the payload; 0: not all of it is there. */
static size_t read_head(const uint8_t *data, size_t len, size_t *out_payload) {
    if (len < 2)
        return 0;
    if ((data[1] & 0x80) || data[1] == 127)
        peer_fail("a frame is masked or over 64 KiB");
    if (data[1] < 126) {
        *out_payload = data[1];
        return 2;
    }
    if (len < 4)
        return 0;
    *out_payload = (size_t)data[2] << 8 | data[3];
    return 4;
}

static void take_frame(struct crowd *crowd, struct subscriber *one, uint8_t first,
                       const char *data, size_t len) {
    int opcode = first & 15;
    if (opcode == 8)
        one->state = DEAD;
    else if (opcode == 9 && !peer_pong(one->fd, data, (uint8_t)len))
        one->state = DEAD;
    else if (opcode <= 2)
        take_message(crowd, one, (first & 0x40) != 0, data, len);
}

/* Whole frames; answers how many bytes they were. */
static size_t take_frames(struct crowd *crowd, struct subscriber *one, const char *data,
                          size_t len) {
    size_t used = 0, head, payload;
    while (one->state == OPEN &&
           (head = read_head((const uint8_t *)data + used, len - used, &payload)) != 0 &&
           len - used >= head + payload) {
        take_frame(crowd, one, (uint8_t)data[used], data + used + head, payload);
        used += head + payload;
    }
    return used;
}

static size_t take_raw(struct crowd *crowd, struct subscriber *one, const char *data,
                       size_t len) {
    const char *rest = deliver_all(crowd, one, data, len);
    return len - wire_marker_rest((size_t)(data + len - rest));
}

static size_t take_upgrade(struct crowd *crowd, struct subscriber *one, const char *data,
                           size_t len) {
    const char *end = memmem(data, len, "\r\n\r\n", 4);
    if (!end)
        return 0;
    if (memcmp(data, "HTTP/1.1 101", 12) != 0)
        peer_fail("no upgrade: %.*s", (int)(end - data), data);
    set_open(crowd, one);
    return (size_t)(end + 4 - data);
}

static uint64_t stamp_of(struct msghdr *message) {
    for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at; at = CMSG_NXTHDR(message, at)) {
        struct timespec stamp;
        if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_TIMESTAMPNS)
            continue;
        memcpy(&stamp, CMSG_DATA(at), sizeof(stamp));
        return (uint64_t)stamp.tv_sec * 1000000000u + (uint64_t)stamp.tv_nsec;
    }
    return members_now_ns();
}

static ssize_t receive(struct crowd *crowd, int fd, char *into) {
    union {
        char space[128];
        struct cmsghdr align;
    } control;
    struct iovec part = {into, READ_SIZE};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t got = recvmsg(fd, &message, 0);
    if (got > 0)
        crowd->stamp = stamp_of(&message);
    return got;
}

static void keep_rest(struct subscriber *one, const char *data, size_t len) {
    free(one->rest);
    one->rest = len > 0 ? malloc(len) : NULL;
    one->rest_len = len;
    if (len > 0 && !one->rest)
        peer_fail("out of memory");
    if (len > 0)
        memcpy(one->rest, data, len);
}

static void on_readable(struct crowd *crowd, struct subscriber *one) {
    static char buffer[2 * READ_SIZE + 8]; /* a rest is shorter than a whole frame */
    ssize_t got = receive(crowd, one->fd, buffer + one->rest_len);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            one->state = DEAD;
        return;
    }
    if (one->rest_len > 0)
        memcpy(buffer, one->rest, one->rest_len);
    size_t len = one->rest_len + (size_t)got, used = 0;
    if (one->state == UPGRADING)
        used = take_upgrade(crowd, one, buffer, len);
    if (one->state == OPEN)
        used += crowd->options->is_raw ? take_raw(crowd, one, buffer + used, len - used)
                                       : take_frames(crowd, one, buffer + used, len - used);
    keep_rest(one, buffer + used, len - used);
}

static void on_connected(struct crowd *crowd, struct subscriber *one) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = one};
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(one->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
        crowd->tally->failed++;
        one->state = DEAD;
        return;
    }
    epoll_ctl(crowd->epoll_fd, EPOLL_CTL_MOD, one->fd, &event);
    if (crowd->options->is_raw)
        set_open(crowd, one);
    else if (peer_send_upgrade(crowd->options, one->fd, one->number))
        one->state = UPGRADING;
    else
        peer_fail("an upgrade was not taken");
}

static void start_next(struct crowd *crowd) {
    const struct options *options = crowd->options;
    struct subscriber *one = &crowd->all[crowd->started];
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = one};
    char source[24];
    one->number = crowd->tally->first + crowd->started;
    snprintf(source, sizeof(source), "127.1.%u.%u", crowd->index + 1,
             1 + crowd->started / SOURCE_EACH);
    one->fd = peer_connect(
        options->second_port && one->number % 2 ? options->second_port : options->port, source);
    if (one->fd < 0)
        peer_fail("connect: %s", strerror(errno));
    epoll_ctl(crowd->epoll_fd, EPOLL_CTL_ADD, one->fd, &event);
    crowd->started++;
}

static void start_some(struct crowd *crowd) {
    struct tally *tally = crowd->tally;
    while (crowd->started < tally->count &&
           crowd->started - tally->open - tally->failed < CONNECTING_MAX)
        start_next(crowd);
}

static void clear_wake(const struct crowd *crowd) {
    uint64_t word;
    if (read(crowd->tally->wake, &word, sizeof(word)) < 0 && errno != EAGAIN)
        peer_fail("eventfd: %s", strerror(errno));
}

static void on_event(struct crowd *crowd, struct subscriber *one) {
    if (!one) {
        clear_wake(crowd);
        return;
    }
    if (one->state == CONNECTING)
        on_connected(crowd, one);
    else if (one->state != DEAD)
        on_readable(crowd, one);
    if (one->state == DEAD && one->fd >= 0) {
        close(one->fd);
        one->fd = -1;
        crowd->tally->closed++;
    }
}

static void run_once(struct crowd *crowd) {
    struct epoll_event events[EVENTS_MAX];
    struct pollfd only = {.fd = crowd->tally->wake, .events = POLLIN};
    if (atomic_load(&crowd->shared->is_quiet)) {
        if (poll(&only, 1, 100) > 0)
            clear_wake(crowd);
        return;
    }
    start_some(crowd);
    int count = epoll_wait(crowd->epoll_fd, events, EVENTS_MAX, 100);
    for (int i = 0; i < count; i++)
        on_event(crowd, events[i].data.ptr);
}

void subscriber_run(const struct options *options, struct shared *shared, unsigned number) {
    struct crowd crowd = {.options = options,
                          .shared = shared,
                          .tally = &shared->tallies[number],
                          .index = number,
                          .epoll_fd = epoll_create1(EPOLL_CLOEXEC)};
    struct epoll_event event = {.events = EPOLLIN};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    crowd.all = calloc(crowd.tally->count, sizeof(*crowd.all));
    if (!crowd.all || inflateInit2(&crowd.inflater, -15) != Z_OK)
        peer_fail("out of memory");
    epoll_ctl(crowd.epoll_fd, EPOLL_CTL_ADD, crowd.tally->wake, &event);
    while (!atomic_load(&shared->is_over))
        run_once(&crowd);
    _exit(0);
}
