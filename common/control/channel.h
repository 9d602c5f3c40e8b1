/* SPDX-License-Identifier: MIT
 *
 * One end of a control pipe or admin connection: JSON objects behind a 4-byte big-endian
 * length, over a non-blocking unix stream socket, with a descriptor beside a message where
 * needed (SCM_RIGHTS: this is why it is not a uv_pipe_t). Checks every message against
 * messages.h; what does not fit ends the channel, never the process. Memory is bounded in both
 * directions, and with channel_limit() so is the time that the other end can take. Used by
 * master, worker, hub and CLI.
 */
#ifndef CREWMAN_CHANNEL_H
#define CREWMAN_CHANNEL_H

#include <jansson.h>
#include <uv.h>

#include "messages.h"

#define CHANNEL_FRAME_MAX (1024u * 1024u)
#define CHANNEL_QUEUE_MAX (8u * 1024u * 1024u)

struct channel;

struct channel_events {
    /* One checked message. `body` is borrowed. `fd` is -1, or for a message that has one a
     * descriptor that the callee now owns. May call channel_close(). */
    void (*on_message)(void *owner, const struct message *type, json_t *body, int fd);
    /* Once, when the other end is gone (`reason` NULL) or broke the rules (`reason` says how).
     * Not called after channel_close(). The callee calls channel_close(). */
    void (*on_end)(void *owner, const char *reason);
};

/* Takes `fd` (a connected unix stream socket; also on failure). `receives` is the direction of
 * the messages that this end may get. `owner` and `events` are borrowed until closed. NULL: out
 * of memory or loop failure. */
struct channel *channel_open(uv_loop_t *loop, int fd, enum message_direction receives,
                             const struct channel_events *events, void *owner);

/* What the other end may send; 0 is no bound. One that sends more has broken the rules. */
struct channel_limits {
    size_t frame;               /* bytes of one message */
    unsigned messages_a_second; /* in the second that the first of them began */
};

/* `limits` is borrowed until closed. */
void channel_limit(struct channel *channel, const struct channel_limits *limits);

/* Takes a reference of `body` in any case. `fd` -1 or a descriptor that is duplicated before
 * the call returns. Adds "v" and checks against the table (our own messages: assert). 0, or
 * -ENOBUFS when the other end does not read (nothing sent), -EPIPE when it is gone. */
int channel_send(struct channel *channel, const struct message *type, json_t *body, int fd);

/* True when nothing waits to be written. */
bool channel_is_flushed(const struct channel *channel);

/* The other end has closed, though messages of it may still come. */
bool channel_is_left(const struct channel *channel);

/* Bytes of the kernel's that the other end has not read, its own bookkeeping included. */
size_t channel_unread(const struct channel *channel);

/* Stops and frees it (after the loop has let go); what is still queued is dropped unless one
 * more write takes it. No callback follows. NULL is allowed. */
void channel_close(struct channel *channel);

#endif
