/* SPDX-License-Identifier: MIT
 *
 * LD_PRELOAD: a kernel without IPv6.
 */
#include <dlfcn.h>
#include <errno.h>
#include <sys/socket.h>

__attribute__((visibility("default"))) int socket(int domain, int type, int protocol) {
    int (*next)(int, int, int) = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");

    if (domain != AF_INET6)
        return next(domain, type, protocol);
    errno = EAFNOSUPPORT;
    return -1;
}
