/* SPDX-License-Identifier: MIT
 *
 * See listener.h. EPOLLEXCLUSIVE wakes the first of those that wait, in the order in which they
 * came; those that are busy and stand before it find the connection at their next look. So who
 * is ahead of the others goes to the end of the queue, and who leaves it with a connection
 * untaken wakes the next: nobody else has been told of that connection.
 */
#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#define BATCH_MAX         64
#define HOLD_MS           1
#define FULL_PAUSE_MS     100
#define STARVED_PAUSE_MS  100
#define HELPLESS_PAUSE_MS 1000 /* without a reserve either */
#define SAY_EVERY_MS      10000u

static void accept_batch(struct listener *listener);
static void on_pause_over(uv_timer_t *timer);

static void on_source(struct poller_source *source) {
    accept_batch((void *)((char *)source - offsetof(struct listener, source)));
}

static void pause_for(struct listener *listener, uint64_t ms);

static void on_poll(uv_poll_t *handle, int status, int events) {
    (void)events;
    if (status < 0)
        pause_for(handle->data, STARVED_PAUSE_MS);
    else
        accept_batch(handle->data);
}

static int join(struct listener *listener) {
    int err = listener->poller
                  ? poller_add(listener->poller, listener->fd, &listener->source, true)
                  : uv_poll_start(&listener->poll, UV_READABLE, on_poll);
    listener->is_watching = err == 0;
    return err;
}

/* Linux tells whoever waits for an event of the socket when this option is set, to its default
 * here: one of them wakes, and finds a connection or sleeps on. Where that is not so (a unix
 * socket), listener_look() finds the connection. */
static void wake_next(const struct listener *listener) {
    int unchanged = 0;
    (void)setsockopt(listener->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unchanged,
                     sizeof(unchanged));
}

static void leave(struct listener *listener) {
    if (!listener->is_watching)
        return;
    listener->is_watching = false;
    if (listener->poller)
        poller_remove(listener->poller, listener->fd, &listener->source);
    else
        uv_poll_stop(&listener->poll);
}

static void pause_for(struct listener *listener, uint64_t ms) {
    leave(listener);
    wake_next(listener);
    uv_timer_start(&listener->pause, on_pause_over, ms, 0);
}

static void watch(struct listener *listener) {
    if (listener->reserve_fd < 0)
        listener->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (join(listener) != 0)
        uv_timer_start(&listener->pause, on_pause_over, STARVED_PAUSE_MS, 0);
    else if (listener->ops->watching)
        listener->ops->watching(listener->owner);
}

/* Whether one waits: who comes after a pause in which all were taken is not to be turned away.
 */
static bool has_waiting(const struct listener *listener) {
    struct pollfd ready = {.fd = listener->fd, .events = POLLIN};
    return poll(&ready, 1, 0) != 0;
}

static enum listener_verdict ask(const struct listener *listener) {
    const struct listener_ops *ops = listener->ops;
    return ops->may_accept ? ops->may_accept(listener->owner) : LISTENER_TAKE;
}

/* Who is full still does not join those that are woken: it would have to wake the next. */
static void on_pause_over(uv_timer_t *timer) {
    struct listener *listener = timer->data;
    if (listener->is_full && ask(listener) == LISTENER_FULL) {
        uv_timer_start(timer, on_pause_over, FULL_PAUSE_MS, 0);
        return;
    }
    listener->is_full = false;
    listener->is_starved = listener->is_starved && has_waiting(listener);
    watch(listener);
}

static int accept_next(const struct listener *listener, struct sockaddr_storage *from,
                       socklen_t *len) {
    return accept4(listener->fd, (struct sockaddr *)from, len, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

/* Nobody else takes it, and it has waited for a pause: give up the reserve for a moment and
 * turn the connection away, which tells the client at once. */
static void turn_away(struct listener *listener) {
    struct sockaddr_storage from;
    socklen_t len = sizeof(from);
    close(listener->reserve_fd);
    int fd = accept_next(listener, &from, &len);
    if (fd >= 0 && listener->ops->turned_away)
        listener->ops->turned_away(listener->owner, fd, (struct sockaddr *)&from, len);
    else if (fd >= 0)
        close(fd);
    listener->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static bool is_news(struct listener *listener) {
    uint64_t now = uv_now(listener->pause.loop);
    if (listener->said_at != 0 && now - listener->said_at < SAY_EVERY_MS)
        return false;
    listener->said_at = now;
    return true;
}

static bool have_others(const struct listener *listener) {
    const struct listener_ops *ops = listener->ops;
    return ops->have_others && ops->have_others(listener->owner);
}

static void starve(struct listener *listener, int error) {
    bool is_helped = listener->reserve_fd >= 0 && (error == EMFILE || error == ENFILE);
    listener->ops->starved(listener->owner, -error, is_news(listener));
    if (listener->is_starved && is_helped && !have_others(listener))
        turn_away(listener);
    listener->is_starved = true;
    pause_for(listener, is_helped ? STARVED_PAUSE_MS : HELPLESS_PAUSE_MS);
}

/* What a failed accept means: true to go on with the next. */
static bool survives(struct listener *listener, int error) {
    switch (error) {
    case EAGAIN:
        return false;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        starve(listener, error);
        return false;
    case EINVAL: /* it listens no more: we end soon, or another spoilt it and it is mended */
        pause_for(listener, HELPLESS_PAUSE_MS);
        return false;
    default: /* it was gone before we took it: accept(2) lists many names for that */
        return true;
    }
}

static bool accept_one(struct listener *listener, bool *out_has_taken) {
    struct sockaddr_storage from;
    socklen_t len = sizeof(from);
    int fd = accept_next(listener, &from, &len);
    if (fd < 0)
        return survives(listener, errno);
    listener->is_starved = false;
    *out_has_taken = true;
    listener->ops->accepted(listener->owner, fd, (struct sockaddr *)&from, len);
    return true;
}

static bool refuse_one(struct listener *listener) {
    struct sockaddr_storage from;
    socklen_t len = sizeof(from);
    int fd = accept_next(listener, &from, &len);
    if (fd < 0)
        return survives(listener, errno);
    listener->ops->refused(listener->owner, fd);
    return true;
}

/* True to go on with the next. */
static bool take_one(struct listener *listener, bool *out_has_taken) {
    switch (ask(listener)) {
    case LISTENER_TAKE:
        return accept_one(listener, out_has_taken);
    case LISTENER_REFUSE:
        return refuse_one(listener);
    case LISTENER_FULL:
        listener->is_full = true;
        pause_for(listener, FULL_PAUSE_MS);
        return false;
    default:
        pause_for(listener, HOLD_MS);
        return false;
    }
}

/* To the end of the queue of those that are woken. */
static void queue_again(struct listener *listener) {
    leave(listener);
    if (join(listener) != 0)
        pause_for(listener, STARVED_PAUSE_MS);
}

static void accept_batch(struct listener *listener) {
    const struct listener_ops *ops = listener->ops;
    bool has_taken = false;
    for (int i = 0; i < BATCH_MAX && listener->is_watching; i++)
        if (!take_one(listener, &has_taken))
            break;
    if (has_taken && listener->is_watching && ops->is_ahead && ops->is_ahead(listener->owner))
        queue_again(listener);
}

void listener_look(struct listener *listener) {
    if (listener->is_watching)
        accept_batch(listener);
}

void listener_resume(struct listener *listener) {
    if (!listener->is_open || !listener->is_full)
        return;
    uv_timer_stop(&listener->pause);
    listener->is_full = false;
    watch(listener);
}

/* How many connections wait: of a listening socket Linux tells so in place of unacknowledged
 * segments (tcp_get_info()). */
static uint32_t waiting(const struct listener *listener) {
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);
    return getsockopt(listener->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 ? info.tcpi_unacked
                                                                             : BATCH_MAX;
}

void listener_empty(struct listener *listener) {
    bool has_taken = false;
    uint32_t left = listener->is_open ? waiting(listener) : 0;
    while (left > 0 && accept_one(listener, &has_taken))
        left--;
}

static int open_watch(struct listener *listener, uv_loop_t *loop) {
    int err = listener->poller ? 0 : uv_poll_init(loop, &listener->poll, listener->fd);
    if (err)
        return err;
    listener->poll.data = listener;
    err = join(listener);
    if (err && !listener->poller)
        uv_close((uv_handle_t *)&listener->poll, NULL);
    return err;
}

int listener_open(struct listener *listener, uv_loop_t *loop, struct poller *poller, int fd,
                  const struct listener_ops *ops, void *owner) {
    *listener = (struct listener){
        .ops = ops, .owner = owner, .poller = poller, .fd = fd, .source = {on_source}};
    int err = open_watch(listener, loop);
    if (err)
        return err;
    uv_timer_init(loop, &listener->pause);
    listener->pause.data = listener;
    listener->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    listener->is_open = true;
    if (ops->watching)
        ops->watching(owner);
    return 0;
}

void listener_close(struct listener *listener) {
    if (!listener->is_open)
        return;
    listener->is_open = false;
    leave(listener);
    wake_next(listener);
    uv_close((uv_handle_t *)&listener->pause, NULL);
    if (!listener->poller)
        uv_close((uv_handle_t *)&listener->poll, NULL);
    close(listener->fd);
    if (listener->reserve_fd >= 0)
        close(listener->reserve_fd);
}
