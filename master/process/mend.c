/* SPDX-License-Identifier: MIT
 *
 * See mend.h. Linux: listen() revives a tcp socket that was shut down or disconnected, where it
 * had an address of its own; a unix socket stays dead, and one of datagrams stays readable for
 * ever without giving anything.
 */
#include "mend.h"

#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>

static bool is_hung_up(int fd) {
    struct pollfd look = {.fd = fd};
    return poll(&look, 1, 0) > 0 && (look.revents & POLLHUP);
}

/* Of the description that all share: where it waits, a worker's whole loop does. */
static bool make_non_blocking(int fd) {
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && !(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

/* Options by which packets from far away are dropped, or answers to there, and by which a
 * client waits until it has sent something, or much; -1 is the system's own value. Answers
 * whether one was not as it should be. */
static bool reset_options(int fd) {
    static const struct {
        int level, name, value;
    } options[] = {{IPPROTO_IP, IP_MINTTL, 0},          {IPPROTO_IP, IP_TTL, -1},
                   {IPPROTO_IPV6, IPV6_MINHOPCOUNT, 0}, {IPPROTO_IPV6, IPV6_UNICAST_HOPS, -1},
                   {IPPROTO_TCP, TCP_DEFER_ACCEPT, 0},  {SOL_SOCKET, SO_RCVLOWAT, 1}};
    bool was_wrong = false;
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        int level = options[i].level, name = options[i].name, before, after;
        socklen_t len = sizeof(before);
        if (getsockopt(fd, level, name, &before, &len) == 0 &&
            setsockopt(fd, level, name, &options[i].value, sizeof(int)) == 0 &&
            getsockopt(fd, level, name, &after, &len) == 0)
            was_wrong = was_wrong || before != after;
    }
    return was_wrong;
}

/* Who comes by another device finds nobody. Only root may undo it. */
static enum mend release_device(int fd) {
    char device[IFNAMSIZ] = "";
    socklen_t len = sizeof(device);
    if (getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, &len) != 0 || len == 0)
        return MEND_FINE;
    return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "", 0) == 0 ? MEND_DONE : MEND_BROKEN;
}

static enum mend mend_options(int fd) {
    bool was_wrong = reset_options(fd);
    enum mend found = release_device(fd);
    return was_wrong && found == MEND_FINE ? MEND_DONE : found;
}

enum mend mend_stream(int fd, int backlog) {
    bool was_dead = is_hung_up(fd);
    bool has_waited = make_non_blocking(fd);
    enum mend found = mend_options(fd);
    if (listen(fd, backlog) != 0 || is_hung_up(fd))
        return MEND_BROKEN;
    return found == MEND_FINE && (was_dead || has_waited) ? MEND_DONE : found;
}

enum mend mend_datagram(int fd) {
    struct sockaddr_storage peer;
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    socklen_t len = sizeof(peer);
    bool has_peer = getpeername(fd, (struct sockaddr *)&peer, &len) == 0;
    bool has_waited = make_non_blocking(fd);
    enum mend found = mend_options(fd);
    if (is_hung_up(fd) || (has_peer && connect(fd, &nobody, sizeof(nobody)) != 0))
        return MEND_BROKEN;
    return found == MEND_FINE && (has_peer || has_waited) ? MEND_DONE : found;
}
