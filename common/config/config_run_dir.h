/* SPDX-License-Identifier: MIT
 *
 * The run_dir of an instance for which nobody names one. Start and verbs may come from a login,
 * a cron job or su, with another XDG_RUNTIME_DIR or none: they must find the same instance. So
 * an instance that answers in one of the folders that it could have is taken, before the folder
 * that a new one would take. Looks only at folders of ours. Called by config.c and the verbs.
 */
#ifndef CREWMAN_CONFIG_RUN_DIR_H
#define CREWMAN_CONFIG_RUN_DIR_H

struct config;

/* A string of the caller. */
char *config_run_dir_default(void);

/* At a reload: where nobody names a folder the instance stays in its own, whatever has become
 * of XDG_RUNTIME_DIR meanwhile. */
void config_run_dir_keep(struct config *config, const struct config *before);

/* Why an instance may run and not be found there: a line, not to be freed, or NULL. */
const char *config_run_dir_hint(const char *run_dir);

#endif
