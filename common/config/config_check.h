/* SPDX-License-Identifier: MIT
 *
 * Checks a block of JSON against the table: unknown keys, types, ranges. Reports every error
 * and changes nothing. Called by config*.c only.
 */
#ifndef CREWMAN_CONFIG_CHECK_H
#define CREWMAN_CONFIG_CHECK_H

#include "config_report.h"
#include "config_table.h"

struct config_check {
    enum config_scope scope;
    const struct config_source *source;
    struct config_path base; /* of the block, for the errors */
    bool is_declared;        /* by an app: keys that only the file may have are unknown */
    struct config_errors *errors;
};

void config_check_block(const struct config_check *check, const json_t *block);

/* What stands at "heartbeat.ping_interval" below `block`, or NULL. */
const json_t *config_check_lookup(const json_t *block, const char *path);

/* `base` and a dotted path below it, whose parts are kept in `buffer`. */
#define CONFIG_PATH_BUFFER 128
struct config_path config_check_path(const struct config_path *base, const char *path,
                                     char buffer[CONFIG_PATH_BUFFER]);

#endif
