/* SPDX-License-Identifier: MIT
 *
 * A listening socket and what comes of it: takes connections in bounded batches, waits a
 * moment when no descriptor is left, and tells its owner through a table of functions. Knows
 * neither what a connection is for nor who else listens; processes that share one socket are
 * woken one for each connection, and whoever comes last is woken last. Owned by the worker's
 * acceptor and by both admin sockets.
 */
#ifndef CREWMAN_LISTENER_H
#define CREWMAN_LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

#include "poller.h"

enum listener_verdict {
    LISTENER_TAKE,  /* one more */
    LISTENER_HOLD,  /* not now: others first; asked again in a millisecond */
    LISTENER_FULL,  /* no more: others take them; asked again in a tenth of a second, and by
                     * listener_resume() */
    LISTENER_REFUSE /* nobody has room: `refused` takes it */
};

/* What may be NULL says so. */
struct listener_ops {
    /* Before each accept. NULL: always LISTENER_TAKE. */
    enum listener_verdict (*may_accept)(void *owner);
    /* Takes `fd`, which is non-blocking and close-on-exec. */
    void (*accepted)(void *owner, int fd, const struct sockaddr *from, socklen_t len);
    /* After LISTENER_REFUSE: takes `fd`, to close it. */
    void (*refused)(void *owner, int fd);
    /* No descriptor or memory, and nobody else took it: takes `fd` as `accepted` does, to say
     * so and close it. NULL: it is closed. */
    void (*turned_away)(void *owner, int fd, const struct sockaddr *from, socklen_t len);
    /* It pauses, for want of descriptors or memory. `is_news`: not said for ten seconds. */
    void (*starved)(void *owner, int error, bool is_news);
    /* It waits for connections, at first and again after each pause. NULL: who cares. */
    void (*watching)(void *owner);
    /* No descriptor or memory: does another, who shares the socket, accept? Then it is left to
     * that one. NULL: nobody does. */
    bool (*have_others)(void *owner);
    /* After a batch: is it the turn of others, who share the socket? NULL: nobody does. */
    bool (*is_ahead)(void *owner);
};

struct listener {
    const struct listener_ops *ops;
    void *owner;
    struct poller *poller; /* NULL: libuv's poll */
    struct poller_source source;
    uv_poll_t poll;
    uv_timer_t pause;
    int fd, reserve_fd;
    bool is_open, is_watching, is_full, is_starved;
    uint64_t said_at; /* ms */
};

/* Take over the listening, non-blocking `fd` and begin. It waits in `poller`, or, without one,
 * in the loop. On failure, a negative error, `fd` is the caller's still. */
int listener_open(struct listener *listener, uv_loop_t *loop, struct poller *poller, int fd,
                  const struct listener_ops *ops, void *owner);

/* Take all that waits in the backlog now, without asking the owner: before listener_close(),
 * where nobody else has the socket. Who comes meanwhile is not waited for: they may come faster
 * than they are taken. Harmless on a zeroed one. */
void listener_empty(struct listener *listener);

/* For good; what waits in the backlog is left to the others. The memory must last until the
 * loop has turned. Harmless twice, and on a zeroed one. */
void listener_close(struct listener *listener);

/* There may be room again, after LISTENER_FULL. */
void listener_resume(struct listener *listener);

/* Once a second: take what nobody was woken for. The one that was woken may have died. */
void listener_look(struct listener *listener);

#endif
