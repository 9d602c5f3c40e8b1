/* SPDX-License-Identifier: MIT
 *
 * The verbs of the command line; each answers the exit code.
 */
#ifndef CREWMAN_VERBS_H
#define CREWMAN_VERBS_H

#include "options.h"

int verb_start(struct options *options);
int verb_restart(struct options *options);
int verb_check(const struct options *options);
int verb_stop(const struct options *options);
int verb_reload(const struct options *options);
int verb_reopen_logs(const struct options *options);
int verb_status(const struct options *options);
int verb_connections(const struct options *options);

/* The path of the instance's admin socket, owned by the caller; NULL after a complaint. */
char *verb_admin_path(const struct options *options);

/* "not running", on standard error, and its exit code. */
int verb_not_running(const char *path);

#endif
