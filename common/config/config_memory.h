/* SPDX-License-Identifier: MIT
 *
 * limits.memory of all services: what "auto" is, and which other limits do not fit it. Called
 * by config_merge.c and by `crewman check`.
 */
#ifndef CREWMAN_CONFIG_MEMORY_H
#define CREWMAN_CONFIG_MEMORY_H

#include "config_service.h"

/* Give "auto" its value: an equal share, of half of `machine` bytes, for each worker of the
 * instance. 0, the machine's memory is not known: it stays. `drafts` are complete, and those of
 * one process agree. */
void config_memory_settle(struct config_draft *drafts, size_t count, uint64_t machine);

/* A line for each message that takes more than an eighth of its worker's memory. */
void config_memory_warn(const struct config *config, struct config_errors *out_warnings);

#endif
