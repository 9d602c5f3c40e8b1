/* SPDX-License-Identifier: MIT
 *
 * The worker's own admin socket, made by the master: answers `connections` with one row a
 * connection, in pages. Only root and the user of the master may ask. Bounded: few clients, one
 * page at a time.
 */
#ifndef CREWMAN_ADMIN_H
#define CREWMAN_ADMIN_H

#include <stddef.h>
#include <sys/types.h>

#include "list.h"
#include "listener.h"

struct worker;

#define ADMIN_CLIENTS_MAX 8u
#define ADMIN_PAGE        1000u

struct admin {
    struct listener listener;
    struct list clients;
    size_t count;
    uid_t master_uid; /* who made the socket */
};

int admin_start(struct worker *worker);
void admin_stop(struct worker *worker);

#endif
