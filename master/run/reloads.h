/* SPDX-License-Identifier: MIT
 *
 * The reloads of an instance: one at a time, asked for by a signal or by a client that waits
 * for its end, and one more that a signal asked for meanwhile. Owned by the master.
 */
#ifndef CREWMAN_RELOADS_H
#define CREWMAN_RELOADS_H

#include <stdbool.h>

struct admin_client;
struct instance;
struct loading_source;
struct place;
struct reload;

struct reloads {
    struct instance *instance;
    const struct loading_source *source;
    struct reload *newest;       /* may be over; or NULL */
    struct admin_client *client; /* who waits for it; NULL: a signal asked, or it has gone */
    bool is_wanted_again, again_is_graceful;
};

/* `source` is borrowed until the end. */
void reloads_init(struct reloads *reloads, struct instance *instance,
                  const struct loading_source *source);
void reloads_done(struct reloads *reloads);

/* One that comes while another runs follows it. */
void reloads_by_signal(struct reloads *reloads, bool is_graceful);

/* NULL: it has begun, and the client is answered at its end; else why not. */
const char *reloads_for_client(struct reloads *reloads, bool is_graceful,
                               struct admin_client *client);

/* The client has gone; the reload goes on without it. */
void reloads_forget_client(struct reloads *reloads, const struct admin_client *client);

/* Once a second: begin the one that follows. Not from the end of the last one, whose callers
 * may still be on their way out of it. */
void reloads_follow_up(struct reloads *reloads);

/* From the supervisor. */
void reloads_place_ready(struct reloads *reloads, struct place *place);
void reloads_place_failed(struct reloads *reloads, const struct place *place);

/* The instance stops: neither the one that runs nor another. */
void reloads_abandon(struct reloads *reloads);

#endif
