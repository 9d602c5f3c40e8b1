/* SPDX-License-Identifier: MIT
 *
 * See poller.h. Level-triggered, so that what one batch leaves is found by the next. A source
 * is told from a connection by the lowest bit of its pointer, so that a connection needs no
 * word of memory for it.
 */
#include "poller.h"

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

#define SOURCE_BIT 1u

/* An end that stays is told once to who waits for nothing else. */
static uint32_t to_epoll(int events) {
    if (events == POLLER_HANGUP)
        return EPOLLRDHUP | EPOLLET;
    return (events & POLLER_READABLE ? EPOLLIN : 0u) |
           (events & POLLER_WRITABLE ? EPOLLOUT : 0u) |
           (events & POLLER_HANGUP ? EPOLLRDHUP : 0u);
}

static int from_epoll(uint32_t events) {
    if (events == EPOLLIN) /* as mostly */
        return POLLER_READABLE;
    if (events & (EPOLLERR | EPOLLHUP))
        return POLLER_READABLE | POLLER_WRITABLE | POLLER_HANGUP;
    return (events & EPOLLIN ? POLLER_READABLE : 0) |
           (events & EPOLLOUT ? POLLER_WRITABLE : 0) |
           (events & EPOLLRDHUP ? POLLER_HANGUP : 0);
}

static uint64_t mark(const struct poller_source *source) {
    return (uintptr_t)source | SOURCE_BIT;
}

int poller_open(struct poller *poller, void (*ready)(void *owner, int events)) {
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0)
        return -errno;
    poller->fd = fd;
    poller->count = 0;
    poller->ready = ready;
    return 0;
}

void poller_close(struct poller *poller) {
    close(poller->fd);
    poller->fd = -1;
}

int poller_watch(struct poller *poller, int fd, void *owner, int before, int wanted) {
    struct epoll_event event = {.events = to_epoll(wanted), .data.u64 = (uintptr_t)owner};
    if (wanted == before)
        return 0;
    int op = before == 0 ? EPOLL_CTL_ADD : wanted == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    return epoll_ctl(poller->fd, op, fd, &event) == 0 ? 0 : -errno;
}

int poller_add(struct poller *poller, int fd, struct poller_source *source, bool is_shared) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = mark(source)};
    if (is_shared)
        event.events |= EPOLLEXCLUSIVE | EPOLLOUT;
    return epoll_ctl(poller->fd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

static struct epoll_event *find(struct poller *poller, const struct poller_source *source) {
    for (int i = 0; i < poller->count; i++)
        if (poller->events[i].data.u64 == mark(source))
            return &poller->events[i];
    return NULL;
}

bool poller_take(struct poller *poller, const struct poller_source *source) {
    struct epoll_event *event = find(poller, source);
    if (event)
        event->data.u64 = 0;
    return event != NULL;
}

void poller_remove(struct poller *poller, int fd, const struct poller_source *source) {
    (void)epoll_ctl(poller->fd, EPOLL_CTL_DEL, fd, NULL);
    (void)poller_take(poller, source);
}

void poller_fetch(struct poller *poller, int timeout_ms) {
    int count = epoll_wait(poller->fd, poller->events, POLLER_BATCH, timeout_ms);
    poller->count = count < 0 ? 0 : count;
}

void poller_tell_sources(struct poller *poller) {
    for (int i = 0; i < poller->count; i++) {
        uint64_t marked = poller->events[i].data.u64;
        if (!(marked & SOURCE_BIT))
            continue;
        struct poller_source *source = (void *)(uintptr_t)(marked & ~(uint64_t)SOURCE_BIT);
        poller->events[i].data.u64 = 0;
        source->ready(source);
    }
}

void poller_tell_owners(struct poller *poller) {
    for (int i = 0; i < poller->count; i++) {
        struct epoll_event *event = &poller->events[i];
        void *owner = (void *)(uintptr_t)event->data.u64;
        if (!owner || (event->data.u64 & SOURCE_BIT))
            continue;
        event->data.u64 = 0;
        poller->ready(owner, from_epoll(event->events));
    }
}
