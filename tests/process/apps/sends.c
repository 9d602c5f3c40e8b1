/* SPDX-License-Identifier: MIT
 *
 * To be preloaded: counts the calls that write to a TCP socket over IPv4, by the port of the
 * peer, in the file $SENDS_FILE.<pid>. It never changes what a call does. Read by
 * test_broadcast.py.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PORTS = 65536 };

static uint32_t *counters; /* of the ports; NULL without a file */

/* A program that execs another one has its own. */
__attribute__((constructor)) static void open_counters(void) {
    const char *name = getenv("SENDS_FILE");
    char path[4096];
    if (!name)
        return;
    snprintf(path, sizeof(path), "%s.%d", name, (int)getpid());
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return;
    if (ftruncate(fd, PORTS * sizeof(*counters)) == 0) {
        void *page =
            mmap(NULL, PORTS * sizeof(*counters), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        counters = page == MAP_FAILED ? NULL : page;
    }
    close(fd);
}

static void count(int fd) {
    struct sockaddr_in peer = {0};
    socklen_t len = sizeof(peer);
    int kept = errno;
    if (counters && getpeername(fd, (struct sockaddr *)&peer, &len) == 0 &&
        peer.sin_family == AF_INET)
        counters[ntohs(peer.sin_port)]++;
    errno = kept;
}

/* Each is counted, then done by libc. */
#define COUNTED(result, name, parameters, arguments)                                           \
    __attribute__((visibility("default"))) result name parameters {                            \
        static result(*next) parameters;                                                       \
        if (!next)                                                                             \
            *(void **)&next = dlsym(RTLD_NEXT, #name);                                         \
        count(fd);                                                                             \
        return next arguments;                                                                 \
    }

COUNTED(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size))
COUNTED(ssize_t, writev, (int fd, const struct iovec *parts, int n), (fd, parts, n))
COUNTED(ssize_t, send, (int fd, const void *data, size_t size, int flags),
        (fd, data, size, flags))
COUNTED(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags),
        (fd, message, flags))
COUNTED(ssize_t, sendfile, (int fd, int from, off_t *offset, size_t size),
        (fd, from, offset, size))
