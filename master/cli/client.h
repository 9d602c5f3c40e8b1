/* SPDX-License-Identifier: MIT
 *
 * The command line's side of an admin socket, and of a socket to a worker that the master
 * gives: ask one thing, handle the answers until they end.
 */
#ifndef CREWMAN_CLIENT_H
#define CREWMAN_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "messages.h"

struct client_events {
    /* One answer (borrowed); `fd` -1, or what came beside it, taken. True: that was all, leave.
     */
    bool (*on_answer)(void *owner, const struct message *type, json_t *body, int fd);
    bool is_silent; /* say nothing of a failure: the caller will */
};

/* Connect to `path` and ask; takes `body`. Answers EXIT_DONE when on_answer said that that was
 * all, EXIT_NOT_RUNNING when nobody listens, EXIT_FAILED with a line on standard error for
 * anything else. When `may_end` the other end may close to say that it is done. For so
 * long as `silence_ms` it may say nothing; a master that is alive, though slow, three times. */
int client_ask(const char *path, enum message_id ask, json_t *body,
               const struct client_events *events, void *owner, bool may_end,
               uint64_t silence_ms);

/* The same, asked on a connected socket, which is taken, of somebody who gets no second
 * chance. `events` must be silent. */
int client_ask_on(int fd, enum message_id ask, const struct client_events *events, void *owner,
                  uint64_t silence_ms);

#endif
