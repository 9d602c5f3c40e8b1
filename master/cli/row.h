/* SPDX-License-Identifier: MIT
 *
 * Fields of a row that the master or a worker answered, as people are shown them. Used by the
 * verbs that print tables.
 */
#ifndef CREWMAN_ROW_H
#define CREWMAN_ROW_H

#include <jansson.h>

/* 0 when there is none. */
json_int_t row_number(const json_t *row, const char *name);

/* "-" when there is none, or an empty one. Borrowed from the row. */
const char *row_text(const json_t *row, const char *name);

#endif
