/* SPDX-License-Identifier: MIT
 *
 * The turn of a process that serves connections: settle, wait once, hand out the events of the
 * poller, and run libuv when libuv has something. The loop stays libuv's own, with timers,
 * signals, pipes and the app's handles; only the place of the wait is ours, so that a message
 * costs one epoll_wait. Called by the process' main. See
 * docs/adr/0005-sockets-in-an-epoll-of-their-own.md.
 */
#ifndef CREWMAN_TURN_H
#define CREWMAN_TURN_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "poller.h"

struct turn {
    uv_loop_t *loop;
    struct poller *poller;
    bool (*settle)(void *owner);
    void *owner;
    struct poller_source backend; /* libuv's epoll instance, in ours */
    uv_async_t keeper;            /* without an active handle libuv's timeout is 0 for ever */
    uv_prepare_t prepare;         /* waits in libuv's own turn: waits_inside */
    size_t handles;               /* of the loop, seen by the last walk */
    unsigned unwalked;            /* turns since then */
    unsigned passed_over;         /* turns in a row in which sources had to wait for libuv */
    bool is_over, has_news, is_shared, is_hooked, waits_inside;
    bool is_framed; /* libuv runs before and behind the next wait */
};

/* `settle` is called before each wait and never inside a callback; it answers whether work is
 * left for the next turn, which then does not wait. 0 or a negative error. */
int turn_open(struct turn *turn, uv_loop_t *loop, struct poller *poller,
              bool (*settle)(void *owner), void *owner);
/* The caller runs the loop once more to close handles. Before the poller is closed. */
void turn_close(struct turn *turn);

/* Until turn_stop(). What uv_stop() says is not heard. */
void turn_run(struct turn *turn);
/* End with this turn. */
void turn_stop(struct turn *turn);

/* The app has got the loop: from now on its prepare and check handles are looked for, and run
 * in each turn, before and after the wait. */
void turn_share(struct turn *turn);

#endif
