/* SPDX-License-Identifier: MIT
 *
 * See outlet.h. The lock is never held over a system call that may block.
 */
#include "outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "log_file.h"
#include "memory.h"

#define RING_BYTES  (1024u * 1024u)
#define CHUNK_BYTES (64u * 1024u)
#define RETRY_NS    1000000000u
#define POLL_MS     1000

enum order { ORDER_NONE, ORDER_GIVEN, ORDER_RUNS, ORDER_DONE };

struct outlet {
    uv_mutex_t lock;
    uv_cond_t changed; /* for the thread and for who waits for it */
    uv_thread_t thread;
    bool is_closing, is_over;
    bool is_left; /* the thread has it for itself, and frees it */
    bool tells_losses, owns_fd, is_standard;
    int fd;
    char *ring;
    uint64_t in, out; /* bytes, since the beginning: in - out of them are in the ring */
    uint64_t lost;    /* lines, not told yet */
    uint64_t lost_at; /* they are missing behind this byte */
    uint64_t lost_ever;
    int lost_errno;
    bool may_retry; /* it is worth while to try again what failed */
    char last;      /* the byte that was written last: a line torn by an error is ended */
    enum order order;
    char path[4096];
    struct trust trust; /* for that path */
    int order_err;
    char why[512];
    uv_async_t *waker;
};

static uint64_t count_lines(const char *text, size_t len) {
    uint64_t count = 0;
    for (size_t i = 0; i < len; i++)
        count += text[i] == '\n';
    return count;
}

/* Somebody else may have made the terminal that we share non-blocking. */
static void await_room(int fd) {
    struct pollfd one = {.fd = fd, .events = POLLOUT};
    (void)poll(&one, 1, POLL_MS);
}

/* 0, or a negative errno number; *out_done bytes are written in any case. */
static int write_all(int fd, const char *text, size_t len, size_t *out_done) {
    *out_done = 0;
    while (*out_done < len) {
        ssize_t written = write(fd, text + *out_done, len - *out_done);
        if (written > 0)
            *out_done += (size_t)written;
        else if (written == 0)
            return -ENOSPC;
        else if (errno == EAGAIN)
            await_room(fd);
        else if (errno != EINTR)
            return -errno;
    }
    return 0;
}

/* With the lock, which is given up meanwhile. */
static int write_unlocked(struct outlet *outlet, const char *text, size_t len,
                          size_t *out_done) {
    int fd = outlet->fd;
    uv_mutex_unlock(&outlet->lock);
    int err = fd < 0 ? -EBADF : write_all(fd, text, len, out_done);
    uv_mutex_lock(&outlet->lock);
    if (*out_done > 0)
        outlet->last = text[*out_done - 1];
    return err;
}

static void lose(struct outlet *outlet, uint64_t lines, int err) {
    outlet->lost += lines;
    outlet->lost_ever += lines;
    outlet->lost_errno = -err;
}

static size_t waiting(const struct outlet *outlet) {
    return (size_t)(outlet->in - outlet->out);
}

/* What lies in one piece in the ring, up to the place where lines are missing. */
static size_t next_chunk(const struct outlet *outlet) {
    size_t at = outlet->out % RING_BYTES, len = waiting(outlet);
    if (len > RING_BYTES - at)
        len = RING_BYTES - at;
    if (outlet->lost > 0 && outlet->lost_at - outlet->out < len)
        len = (size_t)(outlet->lost_at - outlet->out);
    return len < CHUNK_BYTES ? len : CHUNK_BYTES;
}

static void write_chunk(struct outlet *outlet) {
    const char *text = outlet->ring + outlet->out % RING_BYTES;
    size_t len = next_chunk(outlet), done = 0;
    int err = write_unlocked(outlet, text, len, &done);
    outlet->out += len;
    if (err) {
        lose(outlet, count_lines(text + done, len - done), err);
        outlet->lost_at = outlet->out;
        outlet->may_retry = true;
    }
    uv_cond_broadcast(&outlet->changed);
}

/* It cannot be written: the lines that waited by then are lost with it. */
static void drop_until(struct outlet *outlet, uint64_t until, int err) {
    while (outlet->out != until) {
        size_t at = outlet->out % RING_BYTES, len = (size_t)(until - outlet->out);
        if (len > RING_BYTES - at)
            len = RING_BYTES - at;
        lose(outlet, count_lines(outlet->ring + at, len), err);
        outlet->out += len;
    }
    if (outlet->lost_at < outlet->out)
        outlet->lost_at = outlet->out;
}

static bool has_to_tell(const struct outlet *outlet) {
    return outlet->lost > 0 && outlet->lost_at <= outlet->out;
}

static void tell_losses(struct outlet *outlet) {
    char text[160], line[512];
    size_t len = 0, done = 0;
    uint64_t told = outlet->lost, in = outlet->in;
    outlet->may_retry = false;
    snprintf(text, sizeof(text), "%llu log lines lost: %s", (unsigned long long)told,
             outlet->lost_errno == ENOBUFS ? "the log does not take them"
                                           : strerror(outlet->lost_errno));
    if (outlet->last != '\n')
        line[len++] = '\n';
    if (outlet->tells_losses)
        len += log_line(CREW_LOG_WARNING, text, line + len, sizeof(line) - len);
    int err = write_unlocked(outlet, line, len, &done);
    if (err)
        drop_until(outlet, in, err);
    else
        outlet->lost -= told;
    uv_cond_broadcast(&outlet->changed);
}

/* The number of the descriptor stays, so that nobody finds it closed. */
static int take_over(struct outlet *outlet, int fd) {
    if (outlet->fd < 0) {
        outlet->fd = fd;
        outlet->owns_fd = true;
        return 0;
    }
    int err = dup3(fd, outlet->fd, O_CLOEXEC) < 0 ? -errno : 0;
    close(fd);
    return err;
}

static void make_standard(int fd) {
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
}

static void carry_out(struct outlet *outlet) {
    char why[sizeof(outlet->why)] = "";
    bool is_standard = outlet->is_standard;
    outlet->order = ORDER_RUNS;
    uv_mutex_unlock(&outlet->lock);
    int fd = log_file_open(&outlet->trust, outlet->path, why, sizeof(why));
    if (fd >= 0 && is_standard)
        make_standard(fd);
    uv_mutex_lock(&outlet->lock);
    outlet->order_err = fd < 0 ? fd : take_over(outlet, fd);
    if (outlet->is_standard && !is_standard && outlet->order_err == 0)
        make_standard(outlet->fd); /* it became so meanwhile */
    outlet->order = ORDER_DONE;
    outlet->may_retry = true;
    snprintf(outlet->why, sizeof(outlet->why), "%s", why);
    if (outlet->waker)
        uv_async_send(outlet->waker);
    uv_cond_broadcast(&outlet->changed);
}

static void rest(struct outlet *outlet) {
    if (!has_to_tell(outlet))
        uv_cond_wait(&outlet->changed, &outlet->lock);
    else if (uv_cond_timedwait(&outlet->changed, &outlet->lock, RETRY_NS) == UV_ETIMEDOUT)
        outlet->may_retry = true;
}

/* What is lost has been tried once more by then. */
static bool is_finished(const struct outlet *outlet) {
    return outlet->is_closing && waiting(outlet) == 0 && !outlet->may_retry;
}

static void release(struct outlet *outlet) {
    uv_mutex_destroy(&outlet->lock);
    uv_cond_destroy(&outlet->changed);
    if (outlet->owns_fd)
        close(outlet->fd);
    free(outlet->ring);
    free(outlet);
}

/* A umask of its own: the loop's is another one while it binds a unix socket, and a log that is
 * opened at that time would have it. Without the right to it nothing else is lost. */
static void part_umask(void) {
    (void)unshare(CLONE_FS);
}

static void run(void *arg) {
    struct outlet *outlet = arg;
    part_umask();
    uv_mutex_lock(&outlet->lock);
    while (!is_finished(outlet)) {
        if (outlet->order == ORDER_GIVEN)
            carry_out(outlet);
        else if (outlet->fd < 0 && !outlet->is_closing)
            uv_cond_wait(&outlet->changed, &outlet->lock);
        else if (has_to_tell(outlet) && outlet->may_retry)
            tell_losses(outlet);
        else if (has_to_tell(outlet) || waiting(outlet) == 0) {
            outlet->may_retry = false;
            if (!is_finished(outlet))
                rest(outlet);
        } else
            write_chunk(outlet);
    }
    outlet->is_over = true;
    bool is_left = outlet->is_left;
    uv_cond_broadcast(&outlet->changed);
    uv_mutex_unlock(&outlet->lock);
    if (is_left)
        release(outlet);
}

/* Signals are the loop's. */
static int start_thread(struct outlet *outlet) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = uv_thread_create(&outlet->thread, run, outlet);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

struct outlet *outlet_open(int fd, bool tells_losses) {
    struct outlet *outlet = memory_new(sizeof(*outlet));
    outlet->fd = fd;
    outlet->tells_losses = tells_losses;
    outlet->last = '\n';
    outlet->ring = memory_new(RING_BYTES);
    uv_mutex_init(&outlet->lock);
    uv_cond_init(&outlet->changed);
    if (start_thread(outlet) == 0)
        return outlet;
    outlet->is_over = true;
    free(outlet->ring);
    free(outlet);
    return NULL;
}

static void copy_in(struct outlet *outlet, const char *text, size_t len) {
    size_t at = outlet->in % RING_BYTES, first = RING_BYTES - at;
    if (first > len)
        first = len;
    memcpy(outlet->ring + at, text, first);
    memcpy(outlet->ring, text + first, len - first);
    outlet->in += len;
}

int outlet_put(struct outlet *outlet, const char *text, size_t len) {
    uv_mutex_lock(&outlet->lock);
    bool fits = len <= RING_BYTES - waiting(outlet);
    if (fits) {
        copy_in(outlet, text, len);
    } else {
        lose(outlet, count_lines(text, len), -ENOBUFS);
        outlet->lost_at = outlet->in;
    }
    outlet->may_retry = true;
    uv_cond_broadcast(&outlet->changed);
    uv_mutex_unlock(&outlet->lock);
    return fits ? 0 : -ENOBUFS;
}

size_t outlet_waiting(struct outlet *outlet) {
    uv_mutex_lock(&outlet->lock);
    size_t bytes = waiting(outlet);
    uv_mutex_unlock(&outlet->lock);
    return bytes;
}

uint64_t outlet_lost(struct outlet *outlet) {
    uv_mutex_lock(&outlet->lock);
    uint64_t lines = outlet->lost_ever;
    uv_mutex_unlock(&outlet->lock);
    return lines;
}

int outlet_switch(struct outlet *outlet, const struct trust *trust, const char *path) {
    int err = 0;
    uv_mutex_lock(&outlet->lock);
    if (outlet->order == ORDER_GIVEN || outlet->order == ORDER_RUNS) {
        err = -EBUSY;
    } else {
        snprintf(outlet->path, sizeof(outlet->path), "%s", path);
        outlet->trust = *trust;
        outlet->order = ORDER_GIVEN;
        uv_cond_broadcast(&outlet->changed);
    }
    uv_mutex_unlock(&outlet->lock);
    return err;
}

static bool is_done(const struct outlet *outlet) {
    return outlet->order == ORDER_DONE;
}

static bool is_written(const struct outlet *outlet) {
    return waiting(outlet) == 0 && !(has_to_tell(outlet) && outlet->may_retry);
}

static bool is_over(const struct outlet *outlet) {
    return outlet->is_over;
}

/* With the lock. */
static bool await(struct outlet *outlet, bool (*condition)(const struct outlet *outlet),
                  unsigned ms) {
    uint64_t until = uv_hrtime() + ms * 1000000ull;
    while (!condition(outlet)) {
        uint64_t now = uv_hrtime();
        if (now >= until)
            return false;
        uv_cond_timedwait(&outlet->changed, &outlet->lock, until - now);
    }
    return true;
}

bool outlet_await_switch(struct outlet *outlet, unsigned ms, int *out_err, char *out_why,
                         size_t size) {
    uv_mutex_lock(&outlet->lock);
    bool is_so = await(outlet, is_done, ms);
    if (is_so) {
        *out_err = outlet->order_err;
        snprintf(out_why, size, "%s", outlet->why);
    }
    uv_mutex_unlock(&outlet->lock);
    return is_so;
}

bool outlet_has_switched(struct outlet *outlet, int *out_err, char *out_why, size_t size) {
    return outlet_await_switch(outlet, 0, out_err, out_why, size);
}

void outlet_set_waker(struct outlet *outlet, uv_async_t *waker) {
    uv_mutex_lock(&outlet->lock);
    outlet->waker = waker;
    uv_mutex_unlock(&outlet->lock);
}

void outlet_become_standard(struct outlet *outlet) {
    uv_mutex_lock(&outlet->lock);
    outlet->is_standard = true;
    if (outlet->fd >= 0)
        make_standard(outlet->fd);
    uv_mutex_unlock(&outlet->lock);
}

bool outlet_flush(struct outlet *outlet, unsigned ms) {
    uv_mutex_lock(&outlet->lock);
    bool is_so = await(outlet, is_written, ms);
    uv_mutex_unlock(&outlet->lock);
    return is_so;
}

void outlet_close(struct outlet *outlet, unsigned ms) {
    if (!outlet)
        return;
    uv_mutex_lock(&outlet->lock);
    outlet->is_closing = true;
    outlet->waker = NULL;
    uv_cond_broadcast(&outlet->changed);
    pthread_t thread = outlet->thread;
    bool has_ended = await(outlet, is_over, ms);
    outlet->is_left = !has_ended;
    uv_mutex_unlock(&outlet->lock);
    if (has_ended) {
        pthread_join(thread, NULL);
        release(outlet);
    } else {
        pthread_detach(thread);
    }
}
