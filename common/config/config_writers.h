/* SPDX-License-Identifier: MIT
 *
 * Who may change the configuration file: never the user that workers run as, for the file may
 * ask for root, and the next reload gives it. Looks and says; refuses nothing. Called by
 * `crewman check`, and by the master when a configuration has come into force.
 */
#ifndef CREWMAN_CONFIG_WRITERS_H
#define CREWMAN_CONFIG_WRITERS_H

#include "config_service.h"

/* A line for each user of workers that may write into the file or a folder on the way to it.
 * None without root, who alone can make somebody else of a worker. */
void config_writers_warn(const struct config *config, struct config_errors *out_warnings);

#endif
