/* SPDX-License-Identifier: MIT
 *
 * The epoll instance in which the process waits: the sockets of connections, each told to one
 * common function, and a few sources (a listener, libuv's own descriptor) that bring theirs. A
 * libuv handle for each connection would cost 160 bytes of it and five system calls more over
 * its life. Waits only when turn.c says so. See
 * docs/adr/0005-sockets-in-an-epoll-of-their-own.md.
 */
#ifndef CREWMAN_POLLER_H
#define CREWMAN_POLLER_H

#include <stdbool.h>
#include <sys/epoll.h>

/* As many as libuv fetches at once. */
#define POLLER_BATCH 1024

struct poller {
    int fd; /* -1: not open */
    void (*ready)(void *owner, int events);
    int count; /* of events that have been fetched */
    struct epoll_event events[POLLER_BATCH];
};

/* POLLER_HANGUP: the peer has sent its last byte, or the socket is broken. It is for who does
 * not read now; alone it is told once for each such event. */
enum { POLLER_READABLE = 1, POLLER_WRITABLE = 2, POLLER_HANGUP = 4 };

/* Embedded in what waits to become readable. */
struct poller_source {
    void (*ready)(struct poller_source *source);
};

/* `ready` is called with those of POLLER_READABLE, POLLER_WRITABLE and POLLER_HANGUP that are
 * so; on an error, or when both sides of a socket have ended, with all, asked for or not. 0 or
 * a negative errno number. */
int poller_open(struct poller *poller, void (*ready)(void *owner, int events));
void poller_close(struct poller *poller);

/* From now on wait for `wanted` of this socket, in place of `before` (0 each: nothing). A
 * socket is to be taken out before it is closed, and its owner must last until the events that
 * have been fetched already are handed out: until the turn's settle. 0 or a negative errno
 * number. */
int poller_watch(struct poller *poller, int fd, void *owner, int before, int wanted);

/* Wait for a descriptor that is no connection to become readable. `is_shared`: it is a
 * listening socket that others wait for as well, and one of them is enough for one event
 * (EPOLLEXCLUSIVE); who comes last is woken last. Such a wait ends also when the socket could
 * be written to, which it never can be: that is how one wakes another. 0 or a negative errno
 * number. */
int poller_add(struct poller *poller, int fd, struct poller_source *source, bool is_shared);
/* The source may be freed at once. */
void poller_remove(struct poller *poller, int fd, const struct poller_source *source);

/* Wait for at most `timeout_ms` (-1: without an end). Then: was this source ready? It is taken
 * out of the batch. */
void poller_fetch(struct poller *poller, int timeout_ms);
bool poller_take(struct poller *poller, const struct poller_source *source);

/* Call those that are ready, each once; who is removed meanwhile is not called. Who is not told
 * is found again by the next fetch. */
void poller_tell_sources(struct poller *poller);
void poller_tell_owners(struct poller *poller);

#endif
