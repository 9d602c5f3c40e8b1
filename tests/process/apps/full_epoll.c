/* SPDX-License-Identifier: MIT
 *
 * To be preloaded: while the file $FULL_EPOLL exists, the kernel has no room for another
 * connection in an epoll (fs.epoll.max_user_watches).
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static bool is_connection(int fd) {
    int domain = 0, listens = 0;
    socklen_t len = sizeof(int);
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) != 0 || domain != AF_INET)
        return false;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && !listens;
}

__attribute__((visibility("default"))) int epoll_ctl(int epoll, int operation, int fd,
                                                     struct epoll_event *event) {
    static int (*real)(int, int, int, struct epoll_event *);
    const char *sign = getenv("FULL_EPOLL");
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "epoll_ctl");
    if (operation == EPOLL_CTL_ADD && sign && access(sign, F_OK) == 0 && is_connection(fd)) {
        errno = ENOSPC;
        return -1;
    }
    return real(epoll, operation, fd, event);
}
