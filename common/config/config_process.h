/* SPDX-License-Identifier: MIT
 *
 * Services that share their processes, by the name under `process` or by that of another
 * service: what they must agree in. Called by config_merge.c.
 */
#ifndef CREWMAN_CONFIG_PROCESS_H
#define CREWMAN_CONFIG_PROCESS_H

#include "config_service.h"

/* A value that one service of a process gives holds for all of them; two that differ are
 * reported, with both places. `drafts` are complete, their users settled. */
void config_process_settle(struct config_draft *drafts, size_t count,
                           const struct config *config, struct config_errors *errors);

#endif
