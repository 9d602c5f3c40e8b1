/* SPDX-License-Identifier: MIT
 *
 * Who the workers of a service run as: the file's word for the service, then the instance's,
 * then the app's, which can never be root. Called by config_merge.c.
 */
#ifndef CREWMAN_CONFIG_USER_H
#define CREWMAN_CONFIG_USER_H

#include "config_service.h"

/* Report a block of an app that asks for root. */
void config_user_check_declared(const struct config_source *source, const char *service,
                                const json_t *block, struct config_errors *errors);

/* Settle user and group of a draft that has been built, and report a group without a user. */
void config_user_resolve(struct config_draft *draft, const struct config *config,
                         struct config_errors *errors);

#endif
