/* SPDX-License-Identifier: MIT
 *
 * One value of the configuration: from JSON, checked against its row, into the member of the
 * struct, and back. Knows types and ranges, no keys. Called by config*.c only.
 */
#ifndef CREWMAN_CONFIG_VALUE_H
#define CREWMAN_CONFIG_VALUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "config_table.h"

struct config_value {
    uint64_t number;
    const char *text;   /* borrowed from the JSON */
    const json_t *list; /* borrowed; of CONFIG_PATHS, a string or a list of strings; of
                           CONFIG_OBJECT the object */
};

/* -EINVAL with "found …; expected …"; for a list `*out_index` tells the element, else it is -1.
 * Whether there is such a user or group is asked by config_check.c alone, once: the system may
 * know it and a moment later not, and nobody must then run as root. */
int config_value_parse(const struct config_row *row, const json_t *json,
                       struct config_value *out_value, long *out_index, char *out_why,
                       size_t size);

/* Has it no other characters than a name has? True of an empty text. */
bool config_value_is_of_name(const char *text);

/* Put it into its member of `object`, which becomes the owner of a copy; what was there is
 * freed. `folder`: where relative paths begin, NULL to leave them. */
void config_value_store(const struct config_row *row, const struct config_value *value,
                        const char *folder, void *object);

/* The member as JSON, the way people write it; a new reference. */
json_t *config_value_render(const struct config_row *row, const void *object);

/* Free what the member holds. */
void config_value_done(const struct config_row *row, void *object);

/* CPUs that this process may use, at least 1, at most CONFIG_WORKERS_MAX: workers "auto". */
uint32_t config_value_cpus(void);

/* `path` below `folder` unless it is absolute; the caller frees it. */
char *config_value_absolute(const char *path, const char *folder);

#endif
