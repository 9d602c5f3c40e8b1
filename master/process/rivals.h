/* SPDX-License-Identifier: MIT
 *
 * Sockets whose addresses overlap, while a reload brings the one and takes the other away
 * (127.0.0.1:80 and 0.0.0.0:80): both are bound, and nobody is refused meanwhile. The kernel
 * gives a connection to the narrower of those that listen. The old ones live here until the
 * reload is over: each old worker, as it begins to drain, takes what waits in its socket and
 * ends it, so that the kernel gives the next to the new one. What comes between these two steps
 * is lost: a few microseconds that an address pays for its move.
 */
#ifndef CREWMAN_RIVALS_H
#define CREWMAN_RIVALS_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

struct instance;
struct sockets;

struct rivals {
    struct sockets **list; /* a reference of each */
    size_t count;
    bool is_over; /* the reload is: they wait for their last worker */
    unsigned looks;
};

/* The sockets of a service, bound beside those of the instance which are in the way of its
 * address, if any. As sockets_open(). */
int rivals_open(struct instance *instance, const struct config_service *config,
                struct sockets **out_sockets, char *out_why, size_t size);

/* The reload is over, whatever came of it. */
void rivals_reload_over(struct instance *instance);

/* Once a second: as soon as the old workers have taken what waited, or have not come to it for
 * a while, the sockets share with nobody any more, and those that no service has are closed. */
void rivals_look(struct instance *instance);

/* The same at once. */
void rivals_end(struct instance *instance);

#endif
