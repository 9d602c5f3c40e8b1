/* SPDX-License-Identifier: MIT
 *
 * What must be there before the first child is started: the run_dir, the pid file, the log, the
 * pools with their services and bound sockets. Whatever is wrong is found here, so that a
 * failure leaves no half instance.
 */
#ifndef CREWMAN_SETUP_H
#define CREWMAN_SETUP_H

#include <stddef.h>
#include <uv.h>

struct instance;
struct pins;

struct setup {
    struct instance *instance;
    uv_timer_t again;
    size_t next;    /* the service whose address is bound next */
    unsigned tries; /* left, for addresses that are not free yet */
    void (*done)(void *owner, const char *why);
    void *owner;
};

/* `done`: NULL, or a line for people; what was opened until then stays with the instance. */
void setup_init(struct setup *setup, struct instance *instance,
                void (*done)(void *owner, const char *why), void *owner);

/* Of the instance that has its configuration by now, whose apps `pins` has. `done` may be
 * called before this returns, or seconds later: until the ports of one that was killed are
 * free. */
void setup_start(struct setup *setup, const struct pins *pins);

/* Nothing follows. */
void setup_cancel(struct setup *setup);

#endif
