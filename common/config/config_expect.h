/* SPDX-License-Identifier: MIT
 *
 * What a key takes, in words: for errors, the sample file and the manual. Made from the rows
 * alone.
 */
#ifndef CREWMAN_CONFIG_EXPECT_H
#define CREWMAN_CONFIG_EXPECT_H

#include <jansson.h>
#include <stddef.h>

#include "config_table.h"

/* What follows "expected": "a duration like "30s", from 1s to 1d, or 0 (off)". */
void config_expect_describe(const struct config_row *row, char *out_text, size_t size);

/* "found …; expected …" about a value that the row does not take. */
void config_expect_explain(const struct config_row *row, const json_t *json, char *out_why,
                           size_t size);

/* The longest string that the row takes, in bytes. */
size_t config_expect_longest(const struct config_row *row);

#endif
