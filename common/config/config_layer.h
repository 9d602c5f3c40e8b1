/* SPDX-License-Identifier: MIT
 *
 * One place that values may come from: a block and the source it was read from. Several lie
 * over each other; below them all are the defaults of the table. Called by config.c and
 * config_service.c.
 */
#ifndef CREWMAN_CONFIG_LAYER_H
#define CREWMAN_CONFIG_LAYER_H

#include "config_report.h"
#include "config_table.h"

struct config_layer {
    const struct config_source *source;
    const json_t *block; /* borrowed, checked; NULL: this layer says nothing */
};

/* Store the row's value from the first layer that has it, else the default. Answers the number
 * of the layer; `count` for the default. A value that is wrong counts as not there: it has been
 * reported. */
size_t config_layer_store(const struct config_layer *layers, size_t count,
                          const struct config_row *row, void *object);

#endif
