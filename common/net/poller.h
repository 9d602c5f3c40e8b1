/* SPDX-License-Identifier: MIT
 *
 * Waits for the sockets of the connections: an epoll instance of our own, which the loop
 * watches as one descriptor. A libuv handle for each connection would cost 160 bytes of it and
 * five system calls more over its life; everything else in the process stays with libuv. See
 * docs/adr/0005-sockets-in-an-epoll-of-their-own.md.
 */
#ifndef CREWMAN_POLLER_H
#define CREWMAN_POLLER_H

#include <uv.h>

struct poller {
    int fd; /* -1: not open */
    uv_poll_t poll;
    void (*ready)(void *owner, int events);
};

enum { POLLER_READABLE = 1, POLLER_WRITABLE = 2 };

/* `ready` is called with POLLER_READABLE | POLLER_WRITABLE, of what was asked for; on an error
 * or the end of a socket, with all that was asked for. 0 or a negative errno number. */
int poller_open(struct poller *poller, uv_loop_t *loop, void (*ready)(void *owner, int events));
void poller_close(struct poller *poller);

/* From now on wait for `wanted` of this socket, in place of `before` (0 each: nothing). A
 * socket is to be taken out before it is closed, and its owner must last until the events that
 * have been fetched already are handed out: until the loop's next prepare handle. 0 or a
 * negative errno number. */
int poller_watch(struct poller *poller, int fd, void *owner, int before, int wanted);

#endif
