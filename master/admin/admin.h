/* SPDX-License-Identifier: MIT
 *
 * The master's admin socket: the verbs of the command line, asked by it. Only root and our own
 * user may; few clients at once; one that misbehaves or hangs costs only itself. Answers status
 * and roster itself; what changes the instance goes up through admin_verbs.
 */
#ifndef CREWMAN_MASTER_ADMIN_H
#define CREWMAN_MASTER_ADMIN_H

#include <stdbool.h>
#include <stddef.h>

#include "list.h"
#include "listener.h"
#include "unix_name.h"

struct instance;
struct admin_client;

#define ADMIN_CLIENTS_MAX 32u

struct admin_verbs {
    /* No answer: the client waits for the end of the process. */
    void (*stop)(void *owner, bool is_graceful);
    /* NULL: it has begun, and admin_answer() follows; else why not. */
    const char *(*reload)(void *owner, bool is_graceful, struct admin_client *client);
    /* As reload. */
    const char *(*reopen_logs)(void *owner, struct admin_client *client);
    /* The client that waits for one of those has gone: no answer any more. */
    void (*gone)(void *owner, const struct admin_client *client);
};

struct admin {
    struct instance *instance;
    const struct admin_verbs *verbs;
    void *owner;
    struct listener listener;
    struct unix_name name; /* of its socket */
    struct list clients;
    size_t count;
};

void admin_init(struct admin *admin, struct instance *instance, const struct admin_verbs *verbs,
                void *owner);

/* 0, or a negative errno number. */
int admin_open(struct admin *admin);

/* What such an error means for the socket, in words. */
const char *admin_explain(int err);
/* Does its path still lead to it? */
bool admin_is_reachable(const struct admin *admin);
/* Take no more clients and give up the path; those that there are stay. */
void admin_stop(struct admin *admin);
void admin_close(struct admin *admin);

/* The last word on the reload, or the log, that it asked for: `why` NULL for done, else the
 * reason. */
void admin_answer(struct admin_client *client, const char *why);

/* Once a second: tell those that wait for something that we are alive. */
void admin_keep_waiting(struct admin *admin);

/* A line on how it goes. */
void admin_progress(struct admin_client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
