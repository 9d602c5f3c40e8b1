/* SPDX-License-Identifier: MIT
 *
 * See guests.h; which ticks are surely over is explained in liveness.c.
 */
#include "guests.h"

#include <stddef.h>

void guests_init(struct guests *guests, uint32_t ticks) {
    list_init(&guests->list);
    guests->ticks = ticks;
}

void guest_init(struct guest *guest, struct crew_conn *conn) {
    list_init(&guest->in_guests);
    guest->conn = conn;
}

void guests_add(struct guests *guests, struct guest *guest, uint32_t tick) {
    if (guest->is_authenticated)
        return;
    guest->opened = tick;
    list_append(&guests->list, &guest->in_guests);
}

void guests_remove(struct guest *guest) {
    list_remove(&guest->in_guests);
}

struct guest *guests_take_late(struct guests *guests, uint32_t tick) {
    if (guests->ticks == 0 || list_is_empty(&guests->list))
        return NULL;
    struct guest *guest = list_entry(guests->list.next, struct guest, in_guests);
    if (tick - guest->opened <= guests->ticks)
        return NULL;
    guests_remove(guest);
    return guest;
}
