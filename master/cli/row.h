/* SPDX-License-Identifier: MIT
 *
 * Fields of a row that the master or a worker answered, as people are shown them. Used by the
 * verbs that print tables.
 */
#ifndef CREWMAN_ROW_H
#define CREWMAN_ROW_H

#include <jansson.h>
#include <stdint.h>

/* What JSON carries exactly. Rows come from workers too, and may hold anything. */
#define ROW_NUMBER_MAX (INT64_C(1) << 53)

/* 0 when there is none or a negative one, and at most ROW_NUMBER_MAX. */
json_int_t row_number(const json_t *row, const char *name);

/* With the same bound; both within it. */
json_int_t row_sum(json_int_t one, json_int_t other);

/* "-" when there is none, or an empty one. Borrowed from the row. */
const char *row_text(const json_t *row, const char *name);

#endif
