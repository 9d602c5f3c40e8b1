/* SPDX-License-Identifier: MIT
 *
 * A reload: read the configuration and the apps anew, start one worker of each service from
 * them (the canaries), and only when all of those are ready drain the first old worker; then
 * slot by slot, all services side by side. Whatever fails before that changes nothing; a
 * failure after it stops the reload, and the workers that are left keep serving.
 */
#ifndef CREWMAN_RELOAD_H
#define CREWMAN_RELOAD_H

#include <stdbool.h>

struct config;
struct master;
struct place;
struct admin_client;

/* Begin. `client` (NULL: a signal asked) hears how it goes. A second one while one runs is
 * refused, or from a signal done afterwards. */
void reload_start(struct master *master, bool is_graceful, struct admin_client *client);

/* Once a second: begin the one that a signal asked for while another ran. */
void reload_follow_up(struct master *master);

/* The configuration of that generation of workers: the one in force, or the one that a reload
 * tries. */
const struct config *reload_config_of(const struct master *master, unsigned generation);

bool reload_is_graceful(const struct master *master);

/* From the supervisor; nothing when no reload waits for the place. */
void reload_place_ready(struct master *master, struct place *place);
void reload_place_failed(struct master *master, struct place *place);

/* The master stops: give it up. */
void reload_abandon(struct master *master, const char *why);

/* Does that client wait for the one that runs? */
bool reload_is_for(const struct master *master, const struct admin_client *client);
/* That client has gone; the reload goes on without it. */
void reload_forget_client(struct master *master, const struct admin_client *client);

#endif
