/* SPDX-License-Identifier: MIT
 *
 * The floor: what the kernel alone costs. A bare epoll server that reads and writes the same
 * number of bytes for each message as a real server would, without protocol, copy or check: for
 * every IN bytes read it writes OUT bytes.
 *   --close            accepts, reads IN bytes, writes OUT and closes
 *   --whole            has the whole of a message in memory of its own before it answers, as a
 *                      server must whose app gets messages
 *   --zlib FILE LEVEL WINDOW-BITS MEMORY-LEVEL
 *                      has zlib inflate and deflate a line of the file for each message
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../zlib/work.h"

#define BUFFER_SIZE (1u << 20)
#define FILES_MAX   (1u << 20)
#define EVENTS_MAX  1024

struct floor_conn {
    uint64_t have; /* bytes towards the next message */
    uint64_t owed; /* bytes still to be written */
    char *message; /* with --whole: in_bytes of it */
};

static struct floor_conn conns[FILES_MAX];
static char buffer[BUFFER_SIZE];
static uint64_t in_bytes = 26, out_bytes = 22;
static bool closes, is_whole, has_zlib;
static int epoll_fd;

static int listen_on(uint16_t port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 4096) != 0) {
        perror("floor");
        exit(1);
    }
    return fd;
}

static void watch(int operation, int fd, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    epoll_ctl(epoll_fd, operation, fd, &event);
}

static void accept_all(int listener) {
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= (int)FILES_MAX) {
            close(fd);
            continue;
        }
        conns[fd] = (struct floor_conn){.message = conns[fd].message};
        if (is_whole && !conns[fd].message)
            conns[fd].message = malloc(in_bytes > out_bytes ? in_bytes : out_bytes);
        watch(EPOLL_CTL_ADD, fd, EPOLLIN);
    }
}

static void write_owed(int fd, bool was_waiting) {
    struct floor_conn *conn = &conns[fd];
    while (conn->owed > 0) {
        size_t part = conn->owed < BUFFER_SIZE || is_whole ? (size_t)conn->owed : BUFFER_SIZE;
        const char *data = is_whole ? conn->message + (out_bytes - conn->owed) : buffer;
        ssize_t sent = send(fd, data, part, MSG_NOSIGNAL);
        if (sent < 0)
            break;
        conn->owed -= (uint64_t)sent;
    }
    if ((conn->owed > 0) != was_waiting)
        watch(EPOLL_CTL_MOD, fd,
              conn->owed == 0 ? EPOLLIN
              : is_whole      ? EPOLLOUT
                              : EPOLLIN | EPOLLOUT);
}

static void read_some(int fd) {
    struct floor_conn *conn = &conns[fd];
    bool was_waiting = conn->owed > 0;
    char *into = is_whole ? conn->message + conn->have : buffer;
    ssize_t got = recv(fd, into, is_whole ? in_bytes - conn->have : BUFFER_SIZE, 0);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN)
            close(fd);
        return;
    }
    conn->have += (uint64_t)got;
    for (; conn->have >= in_bytes; conn->have -= in_bytes) {
        conn->owed += out_bytes;
        if (has_zlib && !work_one())
            abort();
    }
    if (conn->owed > 0)
        write_owed(fd, was_waiting);
    if (closes && conn->have == 0 && conn->owed == 0)
        close(fd);
}

static void serve(int listener) {
    struct epoll_event events[EVENTS_MAX];
    for (;;) {
        int count = epoll_wait(epoll_fd, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                accept_all(fd);
                continue;
            }
            if (events[i].events & EPOLLOUT)
                write_owed(fd, true);
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                read_some(fd);
        }
    }
}

static bool read_options(int argc, char **argv) {
    if (argc < 4)
        return false;
    in_bytes = strtoull(argv[2], NULL, 10);
    out_bytes = strtoull(argv[3], NULL, 10);
    if (argc == 5) {
        closes = strcmp(argv[4], "--close") == 0;
        is_whole = strcmp(argv[4], "--whole") == 0;
    } else if (argc == 9 && strcmp(argv[4], "--zlib") == 0) {
        has_zlib = work_open(argv[5], atoi(argv[6]), atoi(argv[7]), atoi(argv[8]));
    }
    return in_bytes > 0 && (argc == 4 || closes || is_whole || has_zlib);
}

int main(int argc, char **argv) {
    struct rlimit files;
    if (!read_options(argc, argv)) {
        fputs("usage: floor PORT IN-BYTES OUT-BYTES [--close | --whole |\n"
              "             --zlib FILE LEVEL WINDOW-BITS MEMORY-LEVEL]\n",
              stderr);
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    memset(buffer, 'x', sizeof(buffer));
    epoll_fd = epoll_create1(0);
    int listener = listen_on((uint16_t)strtoul(argv[1], NULL, 10));
    watch(EPOLL_CTL_ADD, listener, EPOLLIN);
    printf("floor: listening\n");
    fflush(stdout);
    serve(listener);
    return 0;
}
