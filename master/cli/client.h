/* SPDX-License-Identifier: MIT
 *
 * The command line's side of an admin socket: ask one thing, handle the answers until they end.
 */
#ifndef CREWMAN_CLIENT_H
#define CREWMAN_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "messages.h"

struct client_events {
    /* One answer (borrowed). True: that was all, leave. */
    bool (*on_answer)(void *owner, const struct message *type, json_t *body);
    bool is_silent; /* say nothing of a failure: the caller will */
};

/* Connect to `path` and ask; takes `body`. Answers EXIT_DONE when on_answer said that that was
 * all, EXIT_NOT_RUNNING when nobody listens, EXIT_FAILED with a line on standard error for
 * anything else. When `may_end` the other end may close to say that it is done. `timeout_ms` 0:
 * wait for ever. */
int client_ask(const char *path, enum message_id ask, json_t *body,
               const struct client_events *events, void *owner, bool may_end,
               uint64_t timeout_ms);

#endif
