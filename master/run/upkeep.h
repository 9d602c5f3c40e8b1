/* SPDX-License-Identifier: MIT
 *
 * What stands in run_dir, looked at once a second: the folder, the pid file and the admin
 * socket are made again when somebody, a logout or a cleaner, has removed them. Called by
 * master.c; never waits, and ends nothing but a socket that nobody can find any more.
 */
#ifndef CREWMAN_UPKEEP_H
#define CREWMAN_UPKEEP_H

#include <stdbool.h>

struct admin;
struct instance;

/* True: the folder is a new one, and a log in it has to be opened again. */
bool upkeep_look(struct instance *instance, struct admin *admin);

#endif
