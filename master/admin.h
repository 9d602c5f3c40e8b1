/* SPDX-License-Identifier: MIT
 *
 * The master's admin socket: the verbs of the command line, asked by it. Only root and our own
 * user may; few clients at once; one that misbehaves or hangs costs only itself.
 */
#ifndef CREWMAN_MASTER_ADMIN_H
#define CREWMAN_MASTER_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "list.h"

struct master;
struct admin_client;

#define ADMIN_CLIENTS_MAX 32u

struct admin {
    int fd; /* -1: not open */
    uv_poll_t poll;
    struct list clients;
    size_t count;
};

/* 0, or a negative errno number. */
int admin_open(struct master *master);
/* Once a second. */
void admin_watch(struct master *master);
/* Take no more clients and give up the path; those that there are stay. */
void admin_stop(struct master *master);
void admin_close(struct master *master);

/* The last word on what it asked: `why` NULL for done, else the reason of a refusal. */
void admin_answer(struct admin_client *client, const char *why);

/* A line on how it goes. */
void admin_progress(struct admin_client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
