/* SPDX-License-Identifier: MIT
 *
 * The command line asks a worker for its connections: the master made the socket between them
 * and has checked who asks. Answers `connections` with one row a connection, in pages. Bounded:
 * few clients, one page at a time. Called by the control pipe and by lifecycle.c.
 */
#ifndef CREWMAN_ADMIN_H
#define CREWMAN_ADMIN_H

#include <stdbool.h>
#include <stddef.h>

#include "list.h"

struct worker;

#define ADMIN_CLIENTS_MAX 8u
#define ADMIN_PAGE        1000u

struct admin {
    struct list clients;
    size_t count;
    bool is_started;
};

void admin_start(struct worker *worker);
void admin_stop(struct worker *worker);

/* A client that came by the control pipe; takes `fd`, -1 is none. One too many, or one that
 * comes before the start, is closed. */
void admin_adopt(struct worker *worker, int fd);

#endif
