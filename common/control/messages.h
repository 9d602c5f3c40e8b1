/* SPDX-License-Identifier: MIT
 *
 * The one table of control messages: name, direction, fields. Both ends of a channel check what
 * they send and what they get against it. A field in the table is required; others pass unseen.
 * So a field added stays out of it for one release, in which its reader does without, and a
 * master and a worker of neighbouring versions understand each other.
 */
#ifndef CREWMAN_MESSAGES_H
#define CREWMAN_MESSAGES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define MESSAGE_VERSION 3

enum message_direction {
    MESSAGE_TO_MASTER, /* worker → master, on the control pipe */
    MESSAGE_TO_WORKER, /* master → worker, on the control pipe */
    MESSAGE_TO_ADMIN, /* CLI → master, on its admin socket; → worker, on a socket from it */
    MESSAGE_TO_CLI    /* master or worker → CLI */
};

/* name, direction. The names in C are MSG_<NAME>. */
#define MESSAGES(X)                                                                            \
    X(HELLO, "hello", MESSAGE_TO_MASTER)                                                       \
    X(READY, "ready", MESSAGE_TO_MASTER)                                                       \
    X(FAILED, "failed", MESSAGE_TO_MASTER)                                                     \
    X(BEAT, "beat", MESSAGE_TO_MASTER)                                                         \
    X(DRAINED, "drained", MESSAGE_TO_MASTER)                                                   \
    X(PLAN, "plan", MESSAGE_TO_WORKER)                                                         \
    X(DRAIN, "drain", MESSAGE_TO_WORKER)                                                       \
    X(ADMIN_CLIENT, "admin_client", MESSAGE_TO_WORKER)                                         \
    X(SIBLING, "sibling", MESSAGE_TO_WORKER)                                                   \
    X(SIBLING_GONE, "sibling_gone", MESSAGE_TO_WORKER)                                         \
    X(ASK_STATUS, "status", MESSAGE_TO_ADMIN)                                                  \
    X(ASK_ROSTER, "roster", MESSAGE_TO_ADMIN)                                                  \
    X(ASK_STOP, "stop", MESSAGE_TO_ADMIN)                                                      \
    X(ASK_RELOAD, "reload", MESSAGE_TO_ADMIN)                                                  \
    X(ASK_REOPEN_LOGS, "reopen_logs", MESSAGE_TO_ADMIN)                                        \
    X(ASK_CONNECT, "connect", MESSAGE_TO_ADMIN)                                                \
    X(ASK_CONNECTIONS, "connections", MESSAGE_TO_ADMIN)                                        \
    X(STATUS, "status", MESSAGE_TO_CLI)                                                        \
    X(ROSTER, "roster", MESSAGE_TO_CLI)                                                        \
    X(CONNECTED, "connected", MESSAGE_TO_CLI)                                                  \
    X(CONNECTIONS, "connections", MESSAGE_TO_CLI)                                              \
    X(WAIT, "wait", MESSAGE_TO_CLI)                                                            \
    X(PROGRESS, "progress", MESSAGE_TO_CLI)                                                    \
    X(DONE, "done", MESSAGE_TO_CLI)                                                            \
    X(REFUSED, "refused", MESSAGE_TO_CLI)

enum message_id {
#define MESSAGE_ID(id, name, direction) MSG_##id,
    MESSAGES(MESSAGE_ID)
#undef MESSAGE_ID
        MSG_COUNT
};

struct message_field {
    const char *name;
    json_type type; /* JSON_TRUE stands for a boolean; an integer is not negative */
};

struct message {
    enum message_id id;
    const char *name;
    enum message_direction direction;
};

const struct message *message_get(enum message_id id);

/* The row for that direction and name, or NULL. */
const struct message *message_find(enum message_direction direction, const char *name);

/* Does a descriptor travel beside it? And beside any of that direction? */
bool message_has_descriptor(const struct message *message);
bool message_may_have_descriptor(enum message_direction direction);

/* Check an object against its row: version, type, its fields and their types; unknown fields
 * are allowed. On failure writes a line for people to `out_why` and answers -EPROTO. */
int message_check(const struct message *message, const json_t *body, char *out_why,
                  size_t size);

/* A text from outside as a JSON string, which holds UTF-8 only: any other byte becomes "?". A
 * new reference, or NULL without memory. */
json_t *message_text(const char *text);

#endif
