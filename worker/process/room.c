/* SPDX-License-Identifier: MIT
 *
 * See room.h.
 */
#include "room.h"

#include <assert.h>
#include <sys/resource.h>

/* Descriptors that a worker needs beside its connections: pipes, log, app's own files; of a low
 * limit a quarter. */
#define DESCRIPTORS_KEPT 64u
/* Of those kept, a part for connections that are turned away. */
#define SPARE_PART 4u
/* The socket, and the listener's reserve. */
#define DESCRIPTORS_PER_LISTENER 2u

/* One connection at least: nothing would make room for the first. */
void room_add_listener(struct room *room) {
    struct rlimit files = {.rlim_cur = 1024};
    (void)getrlimit(RLIMIT_NOFILE, &files);
    size_t kept = files.rlim_cur / 4 < DESCRIPTORS_KEPT ? files.rlim_cur / 4 : DESCRIPTORS_KEPT;
    room->spare = kept / SPARE_PART;
    kept += ++room->listeners * DESCRIPTORS_PER_LISTENER;
    room->limit = files.rlim_cur > kept ? files.rlim_cur - kept : 1;
}

void room_take(struct room *room) {
    room->taken++;
}

void room_give_back(struct room *room) {
    assert(room->taken > 0);
    room->taken--;
}
