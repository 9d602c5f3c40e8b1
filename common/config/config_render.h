/* SPDX-License-Identifier: MIT
 *
 * From the structs back to JSON as people write it: `crewman check`, the plan of a worker, the
 * comparison that a reload makes.
 */
#ifndef CREWMAN_CONFIG_RENDER_H
#define CREWMAN_CONFIG_RENDER_H

#include <jansson.h>

#include "config_table.h"

/* Every row of the scope, in the table's order; a new reference. `object` as the scope says. */
json_t *config_render_block(enum config_scope scope, const void *object);

#endif
