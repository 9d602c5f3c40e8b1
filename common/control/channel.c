/* SPDX-License-Identifier: MIT
 *
 * See channel.h. Reading: bytes gather in `in` until a frame is whole; at most one received
 * descriptor waits for the frame it came with, and where no message has one none is received.
 * Writing: what the kernel does not take waits in a list of frames, each with its descriptor,
 * which goes with the frame's first byte.
 */
#include "channel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "list.h"
#include "rights.h"

#define HEADER_SIZE 4u
#define READ_SIZE   65536u

struct frame_out {
    struct list in_queue;
    size_t len, sent;
    int fd; /* -1, or ours to close */
    char data[];
};

struct channel {
    uv_poll_t poll; /* first: the handle is the channel */
    int fd, received_fd;
    enum message_direction receives;
    bool takes_descriptors;
    const struct channel_events *events;
    void *owner;
    const struct channel_limits *limits;
    uint64_t second_began; /* the loop's time, ms */
    unsigned in_second;    /* messages since then */
    char *in;
    size_t in_len, in_size;
    struct list out;
    size_t out_bytes;
    bool is_closed; /* channel_close() was called */
    bool is_broken; /* a write failed: what came before that is still read */
    bool is_ended;  /* on_end was called */
};

static void on_poll(uv_poll_t *handle, int status, int events);

static void watch(struct channel *channel) {
    int wanted = UV_READABLE | (list_is_empty(&channel->out) ? 0 : UV_WRITABLE);
    uv_poll_start(&channel->poll, wanted, on_poll);
}

static const struct channel_limits no_limits = {CHANNEL_FRAME_MAX, 0};

struct channel *channel_open(uv_loop_t *loop, int fd, enum message_direction receives,
                             const struct channel_events *events, void *owner) {
    struct channel *channel = calloc(1, sizeof(*channel));
    if (!channel || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 ||
        uv_poll_init(loop, &channel->poll, fd) != 0) {
        free(channel);
        close(fd);
        return NULL;
    }
    channel->fd = fd;
    channel->received_fd = -1;
    channel->receives = receives;
    channel->takes_descriptors = message_may_have_descriptor(receives);
    if (!channel->takes_descriptors)
        rights_refuse(fd);
    channel->events = events;
    channel->owner = owner;
    channel->limits = &no_limits;
    list_init(&channel->out);
    watch(channel);
    return channel;
}

void channel_limit(struct channel *channel, const struct channel_limits *limits) {
    channel->limits = limits;
}

static void frame_free(struct channel *channel, struct frame_out *frame) {
    list_remove(&frame->in_queue);
    channel->out_bytes -= frame->len - frame->sent;
    if (frame->fd >= 0)
        close(frame->fd);
    free(frame);
}

static void on_closed(uv_handle_t *handle) {
    struct channel *channel = (struct channel *)handle;
    free(channel->in);
    free(channel);
}

static ssize_t send_part(struct channel *channel, struct frame_out *frame) {
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {frame->data + frame->sent, frame->len - frame->sent};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (frame->fd >= 0) {
        message.msg_control = control.space;
        message.msg_controllen = sizeof(control.space);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &frame->fd, sizeof(int));
    }
    return sendmsg(channel->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void flush(struct channel *channel) {
    while (!list_is_empty(&channel->out) && !channel->is_broken) {
        struct frame_out *frame = list_entry(channel->out.next, struct frame_out, in_queue);
        ssize_t sent = send_part(channel, frame);
        if (sent < 0) {
            /* A broken pipe shows at the reading end too, and is told from there. */
            if (errno != EAGAIN && errno != EINTR)
                channel->is_broken = true;
            return;
        }
        if (frame->fd >= 0)
            close(frame->fd);
        frame->fd = -1;
        frame->sent += (size_t)sent;
        channel->out_bytes -= (size_t)sent;
        if (frame->sent == frame->len)
            frame_free(channel, frame);
    }
}

static struct frame_out *frame_new(const json_t *body, int fd) {
    size_t size = json_dumpb(body, NULL, 0, JSON_COMPACT);
    if (size == 0 || size > CHANNEL_FRAME_MAX)
        return NULL;
    struct frame_out *frame = malloc(sizeof(*frame) + HEADER_SIZE + size);
    if (!frame)
        return NULL;
    *frame = (struct frame_out){.len = HEADER_SIZE + size, .fd = -1};
    list_init(&frame->in_queue);
    uint32_t header = htonl((uint32_t)size);
    memcpy(frame->data, &header, HEADER_SIZE);
    json_dumpb(body, frame->data + HEADER_SIZE, size, JSON_COMPACT);
    frame->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (fd >= 0 && frame->fd < 0) {
        free(frame);
        return NULL;
    }
    return frame;
}

static int enqueue(struct channel *channel, const json_t *body, int fd) {
    struct frame_out *frame = frame_new(body, fd);
    if (!frame)
        return -ENOMEM;
    if (channel->out_bytes + frame->len > CHANNEL_QUEUE_MAX) {
        if (frame->fd >= 0)
            close(frame->fd);
        free(frame);
        return -ENOBUFS;
    }
    list_append(&channel->out, &frame->in_queue);
    channel->out_bytes += frame->len;
    flush(channel);
    if (channel->is_broken)
        return -EPIPE;
    if (!list_is_empty(&channel->out))
        watch(channel);
    return 0;
}

int channel_send(struct channel *channel, const struct message *type, json_t *body, int fd) {
    int err = -ENOMEM;
    if (channel->is_broken || channel->is_closed) {
        err = -EPIPE;
    } else if (body && json_object_set_new(body, "v", json_integer(MESSAGE_VERSION)) == 0 &&
               json_object_set_new(body, "type", json_string(type->name)) == 0) {
        char why[256];
        err = message_check(type, body, why, sizeof(why));
        if (!err)
            err = enqueue(channel, body, fd);
    }
    json_decref(body);
    return err;
}

bool channel_is_flushed(const struct channel *channel) {
    return list_is_empty(&channel->out);
}

bool channel_is_left(const struct channel *channel) {
    struct pollfd end = {.fd = channel->fd};
    return poll(&end, 1, 0) == 1 && (end.revents & (POLLHUP | POLLERR));
}

size_t channel_unread(const struct channel *channel) {
    int bytes = 0;
    return ioctl(channel->fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (size_t)bytes : 0;
}

static void end(struct channel *channel, const char *reason) {
    if (channel->is_closed || channel->is_ended)
        return;
    channel->is_broken = channel->is_ended = true;
    uv_poll_stop(&channel->poll);
    channel->events->on_end(channel->owner, reason);
}

/* One read may bring messages that came before the one that it belongs to. */
static int take_descriptor(struct channel *channel) {
    int fd = channel->received_fd;
    channel->received_fd = -1;
    return fd;
}

static void drop_descriptor(struct channel *channel) {
    int fd = take_descriptor(channel);
    if (fd >= 0)
        close(fd);
}

/* Answers false when the channel has ended meanwhile. */
static bool deliver(struct channel *channel, const char *data, size_t len) {
    char why[256];
    json_error_t error;
    json_t *body = json_loadb(data, len, JSON_REJECT_DUPLICATES, &error);
    const char *name = json_string_value(json_object_get(body, "type"));
    const struct message *type = name ? message_find(channel->receives, name) : NULL;
    if (!type)
        snprintf(why, sizeof(why), "%s",
                 body ? "a message of an unknown type" : "a frame is no JSON");
    if (!type || message_check(type, body, why, sizeof(why)) != 0) {
        json_decref(body);
        end(channel, why);
        return false;
    }
    int fd = message_has_descriptor(type) ? take_descriptor(channel) : -1;
    channel->events->on_message(channel->owner, type, body, fd);
    json_decref(body);
    return !channel->is_closed && !channel->is_ended;
}

/* Whoever floods us shall not get more of our time than that. */
static bool is_flooded(struct channel *channel) {
    uint64_t now = uv_now(channel->poll.loop);
    if (channel->limits->messages_a_second == 0)
        return false;
    if (channel->in_second == 0 || now - channel->second_began >= 1000) {
        channel->second_began = now;
        channel->in_second = 0;
    }
    return ++channel->in_second > channel->limits->messages_a_second;
}

static bool is_too_long(struct channel *channel, size_t size) {
    char why[64];
    if (size <= channel->limits->frame)
        return false;
    if (channel->limits->frame == CHANNEL_FRAME_MAX)
        snprintf(why, sizeof(why), "a frame is longer than 1 MiB");
    else
        snprintf(why, sizeof(why), "a frame is longer than %zu KiB",
                 channel->limits->frame / 1024);
    end(channel, why);
    return true;
}

static void deliver_all(struct channel *channel) {
    size_t at = 0;
    while (channel->in_len - at >= HEADER_SIZE) {
        uint32_t size;
        memcpy(&size, channel->in + at, HEADER_SIZE);
        size = ntohl(size);
        if (is_too_long(channel, size))
            return;
        if (channel->in_len - at - HEADER_SIZE < size)
            break;
        if (is_flooded(channel)) {
            end(channel, "too many messages in a second");
            return;
        }
        at += HEADER_SIZE + size;
        if (!deliver(channel, channel->in + at - size, size))
            return;
    }
    memmove(channel->in, channel->in + at, channel->in_len - at);
    channel->in_len -= at;
    if (channel->in_len == 0)
        drop_descriptor(channel); /* of a message that has none */
}

static bool make_room(struct channel *channel) {
    if (channel->in_size - channel->in_len >= READ_SIZE)
        return true;
    size_t size = channel->in_len + READ_SIZE;
    char *in = realloc(channel->in, size);
    if (!in)
        return false;
    channel->in = in;
    channel->in_size = size;
    return true;
}

/* Space for one has room for two, by its alignment: all but the first are closed. */
static void keep_descriptor(struct channel *channel, struct msghdr *message) {
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
        return;
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
        if (i > 0) {
            close(fd);
            continue;
        }
        drop_descriptor(channel);
        channel->received_fd = fd;
    }
}

/* Bytes, or a negative errno number; with what came beside them. */
static ssize_t receive_with_descriptor(struct channel *channel) {
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {channel->in + channel->in_len, channel->in_size - channel->in_len};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = sizeof(control.space)};
    ssize_t got = recvmsg(channel->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got > 0)
        keep_descriptor(channel, &message);
    return got < 0 ? -errno : got;
}

static ssize_t receive(struct channel *channel) {
    if (channel->takes_descriptors)
        return receive_with_descriptor(channel);
    return rights_read(channel->fd, channel->in + channel->in_len,
                       channel->in_size - channel->in_len);
}

static void read_some(struct channel *channel) {
    if (!make_room(channel)) {
        end(channel, "out of memory");
        return;
    }
    ssize_t got = receive(channel);
    if (got > 0) {
        channel->in_len += (size_t)got;
        deliver_all(channel);
    } else if (got == 0) {
        end(channel, NULL);
    } else if (got == -EPERM) {
        end(channel, "a descriptor came that no message has");
    } else if (got != -EAGAIN && got != -EINTR) {
        end(channel, got == -ECONNRESET ? NULL : strerror((int)-got));
    }
}

static void on_poll(uv_poll_t *handle, int status, int events) {
    struct channel *channel = (struct channel *)handle;
    if (channel->is_closed)
        return;
    if ((events & UV_WRITABLE) && status == 0) {
        flush(channel);
        if (list_is_empty(&channel->out))
            watch(channel);
    }
    /* An error condition also ends here: reading tells which. */
    if ((events & UV_READABLE) || status < 0)
        read_some(channel);
    if (status < 0)
        end(channel, NULL);
}

void channel_close(struct channel *channel) {
    if (!channel || channel->is_closed)
        return;
    flush(channel);
    channel->is_closed = true;
    while (!list_is_empty(&channel->out))
        frame_free(channel, list_entry(channel->out.next, struct frame_out, in_queue));
    drop_descriptor(channel);
    uv_close((uv_handle_t *)&channel->poll, on_closed);
    if (channel->takes_descriptors)
        close(channel->fd);
    else
        rights_close(channel->fd);
}
