/* SPDX-License-Identifier: MIT
 *
 * Connections whose client the app has not recognized yet (crew_conn_authenticated()), in the
 * order in which they were opened, for limits.auth_timeout. A connection has a struct guest
 * only where there is such a limit, so it costs the others nothing. Counts in the ticks of
 * liveness.h, but runs whatever the connection does: neither what it sends nor a pause gives it
 * more time. Pure; called by conn*.c and reaper.c.
 */
#ifndef CREWMAN_GUESTS_H
#define CREWMAN_GUESTS_H

#include <stdbool.h>
#include <stdint.h>

#include "list.h"

struct crew_conn;

/* Of one connection. */
struct guest {
    struct list in_guests;
    struct crew_conn *conn;
    uint32_t opened; /* tick */
    bool is_authenticated;
};

struct guests {
    struct list list;
    uint32_t ticks; /* there for more: late; 0: there is no limit */
};

void guests_init(struct guests *guests, uint32_t ticks);

/* `guest` is zeroed memory. */
void guest_init(struct guest *guest, struct crew_conn *conn);

/* Its connection is open; nothing to do when it is authenticated already. */
void guests_add(struct guests *guests, struct guest *guest, uint32_t tick);

/* It is authenticated, or has ended. Harmless twice. */
void guests_remove(struct guest *guest);

/* One that is late at this tick, removed; NULL: none is. */
struct guest *guests_take_late(struct guests *guests, uint32_t tick);

#endif
