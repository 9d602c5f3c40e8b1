/* SPDX-License-Identifier: MIT
 *
 * See poller.h. Level-triggered, so that what one batch leaves is found by the next.
 */
#include "poller.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

/* As many as libuv fetches at once. */
#define BATCH 1024

static uint32_t to_epoll(int events) {
    return (events & POLLER_READABLE ? EPOLLIN : 0u) |
           (events & POLLER_WRITABLE ? EPOLLOUT : 0u);
}

static int from_epoll(uint32_t events) {
    if (events & (EPOLLERR | EPOLLHUP))
        return POLLER_READABLE | POLLER_WRITABLE;
    return (events & EPOLLIN ? POLLER_READABLE : 0) | (events & EPOLLOUT ? POLLER_WRITABLE : 0);
}

static void on_poll(uv_poll_t *handle, int status, int happened) {
    struct poller *poller = handle->data;
    struct epoll_event events[BATCH];
    (void)status;
    (void)happened;
    int count = epoll_wait(poller->fd, events, BATCH, 0);
    for (int i = 0; i < count; i++)
        poller->ready(events[i].data.ptr, from_epoll(events[i].events));
}

int poller_open(struct poller *poller, uv_loop_t *loop,
                void (*ready)(void *owner, int events)) {
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0)
        return -errno;
    int err = uv_poll_init(loop, &poller->poll, fd);
    if (err) {
        close(fd);
        return err;
    }
    poller->fd = fd;
    poller->ready = ready;
    poller->poll.data = poller;
    return uv_poll_start(&poller->poll, UV_READABLE, on_poll);
}

void poller_close(struct poller *poller) {
    uv_close((uv_handle_t *)&poller->poll, NULL);
    close(poller->fd);
    poller->fd = -1;
}

int poller_watch(struct poller *poller, int fd, void *owner, int before, int wanted) {
    struct epoll_event event = {.events = to_epoll(wanted), .data.ptr = owner};
    if (wanted == before)
        return 0;
    int op = before == 0 ? EPOLL_CTL_ADD : wanted == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    return epoll_ctl(poller->fd, op, fd, &event) == 0 ? 0 : -errno;
}
