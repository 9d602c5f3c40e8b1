/* SPDX-License-Identifier: MIT
 *
 * The one allocation of a connection: what its transport keeps (which begins with the struct
 * crew_conn), and behind that, where the endpoint has them, its guest and the app's state.
 * Knows nothing of its life. Below all other files conn*.c.
 */
#ifndef CREWMAN_CONN_MEMORY_H
#define CREWMAN_CONN_MEMORY_H

#include <stddef.h>

#include "guests.h"

struct crew_conn;
struct endpoint;

/* Zeroed memory for a connection of this endpoint, whose settings are complete; and how much
 * that is. */
void *conn_allocate(const struct endpoint *endpoint);
size_t conn_memory_size(const struct endpoint *endpoint);

/* Its place among those that the app has yet to recognize; NULL where there is no limit. */
struct guest *conn_guest(const struct crew_conn *conn);

/* The app's state of a connection, NULL when the endpoint has no state_size. */
void *conn_app_state(const struct crew_conn *conn);

#endif
