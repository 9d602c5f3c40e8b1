/* SPDX-License-Identifier: MIT
 *
 * See mend.h. Linux: listen() revives a tcp socket that was shut down or disconnected, where it
 * had an address of its own; a unix socket stays dead, and one of datagrams stays readable for
 * ever without giving anything.
 */
#include "mend.h"

#include <fcntl.h>
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

enum mend mend_stream(int fd, int backlog) {
    bool was_dead = is_hung_up(fd);
    bool has_waited = make_non_blocking(fd);
    if (listen(fd, backlog) != 0 || is_hung_up(fd))
        return MEND_BROKEN;
    return was_dead || has_waited ? MEND_DONE : MEND_FINE;
}

enum mend mend_datagram(int fd) {
    struct sockaddr_storage peer;
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    socklen_t len = sizeof(peer);
    bool has_peer = getpeername(fd, (struct sockaddr *)&peer, &len) == 0;
    bool has_waited = make_non_blocking(fd);
    if (is_hung_up(fd) || (has_peer && connect(fd, &nobody, sizeof(nobody)) != 0))
        return MEND_BROKEN;
    return has_peer || has_waited ? MEND_DONE : MEND_FINE;
}
