/* SPDX-License-Identifier: MIT
 *
 * The floor of a broadcast: the least that it can cost here. epoll, recv and send, nothing
 * else. A connection that sends "S" and a room of six digits is a member of the room; one that
 * sends "P", a room and a message has each process send the same bytes, the head of a WebSocket
 * frame and the message, to its members: one send() for each. Process i listens on PORT + i;
 * they tell each other through socketpairs. It trusts its clients.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROOMS = 100000, PROCESSES_MAX = 8, HEAD = 7, READ_SIZE = 70000, FILES_MAX = 1 << 20 };

struct member {
    int fd;
    unsigned life; /* lives[fd] when it joined: the number of a closed descriptor comes again */
};

static struct room {
    struct member *members;
    size_t count, size;
} rooms[ROOMS];

static unsigned lives[FILES_MAX];
static int links[PROCESSES_MAX][PROCESSES_MAX]; /* [i][j]: the end of i towards j */
static unsigned self, processes;
static int epoll_fd;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static struct room *room_of(const char *message) {
    unsigned number = 0;
    for (int i = 1; i < HEAD; i++)
        number = number * 10 + (unsigned)(message[i] - '0');
    return &rooms[number % ROOMS];
}

static void join(struct room *room, int fd) {
    if (room->count == room->size) {
        room->size = room->size ? 2 * room->size : 4;
        room->members = realloc(room->members, room->size * sizeof(*room->members));
        if (!room->members)
            fail("fan floor");
    }
    room->members[room->count++] = (struct member){fd, lives[fd]};
}

static size_t make_frame(char *wire, const char *text, size_t len) {
    size_t head = len < 126 ? 2 : 4;
    wire[0] = (char)0x81;
    wire[1] = (char)(len < 126 ? len : 126);
    wire[2] = (char)(len >> 8);
    wire[3] = (char)len;
    memcpy(wire + head, text, len);
    return head + len;
}

static void say(struct room *room, const char *text, size_t len) {
    static char wire[READ_SIZE + 4];
    size_t size = make_frame(wire, text, len);
    for (size_t i = 0; i < room->count;) {
        struct member member = room->members[i];
        if (member.life != lives[member.fd]) {
            room->members[i] = room->members[--room->count];
            continue;
        }
        if (send(member.fd, wire, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            perror("fan floor: send");
        i++;
    }
}

static void watch(int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        fail("fan floor: epoll_ctl");
}

static void accept_all(int listener) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        watch(fd);
    }
}

static bool is_link(int fd) {
    for (unsigned i = 0; i < processes; i++)
        if (i != self && links[self][i] == fd)
            return true;
    return false;
}

static void tell_others(const char *data, size_t len) {
    for (unsigned i = 0; i < processes; i++)
        if (i != self && send(links[self][i], data, len, 0) < 0)
            perror("fan floor: link");
}

static void take(int fd, const char *data, size_t len) {
    for (size_t at = 0; at + HEAD <= len && data[at] == 'S'; at += HEAD)
        join(room_of(data + at), fd);
    if (data[0] != 'P' || len <= HEAD)
        return;
    if (!is_link(fd))
        tell_others(data, len);
    say(room_of(data), data + HEAD, len - HEAD);
}

static void read_some(int fd) {
    static char data[READ_SIZE];
    ssize_t len = recv(fd, data, sizeof(data), 0);
    if (len > 0) {
        take(fd, data, (size_t)len);
    } else if (len == 0 || errno != EAGAIN) {
        lives[fd]++;
        close(fd);
    }
}

static void serve(int listener) {
    struct epoll_event events[512];
    epoll_fd = epoll_create1(0);
    watch(listener);
    for (unsigned i = 0; i < processes; i++)
        if (i != self)
            watch(links[self][i]);
    for (;;) {
        int count = epoll_wait(epoll_fd, events, 512, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                accept_all(listener);
            else
                read_some(events[i].data.fd);
        }
    }
}

static int listen_on(uint16_t port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 4096) != 0)
        fail("fan floor: listen");
    return fd;
}

static void link_all(void) {
    for (unsigned i = 0; i < processes; i++) {
        for (unsigned j = 0; j < i; j++) {
            int pair[2];
            if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0)
                fail("fan floor: socketpair");
            links[i][j] = pair[0];
            links[j][i] = pair[1];
        }
    }
}

static void raise_limit(void) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max < FILES_MAX ? files.rlim_max : FILES_MAX;
    setrlimit(RLIMIT_NOFILE, &files);
}

int main(int argc, char **argv) {
    int listeners[PROCESSES_MAX];
    processes = argc == 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 1;
    if (argc < 2 || argc > 3 || processes == 0 || processes > PROCESSES_MAX) {
        fputs("usage: fan-floor PORT [PROCESSES]\n", stderr);
        return 2;
    }
    raise_limit();
    link_all();
    for (unsigned i = 0; i < processes; i++)
        listeners[i] = listen_on((uint16_t)(strtoul(argv[1], NULL, 10) + i));
    for (unsigned i = 1; i < processes && self == 0; i++) {
        if (fork() == 0) {
            self = i;
            prctl(PR_SET_PDEATHSIG, SIGTERM);
        }
    }
    if (self == 0) {
        printf("floor: listening\n");
        fflush(stdout);
    }
    serve(listeners[self]);
    return 0;
}
