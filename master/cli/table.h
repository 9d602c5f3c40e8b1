/* SPDX-License-Identifier: MIT
 *
 * A table of texts with aligned columns, as status, connections and the banner print it.
 */
#ifndef CREWMAN_TABLE_H
#define CREWMAN_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 32

struct table_column {
    const char *title;
    bool is_number; /* aligned to the right */
};

struct table {
    const struct table_column *columns;
    size_t column_count;
    char **cells; /* owned */
    size_t cell_count;
};

void table_init(struct table *table, const struct table_column *columns, size_t count);
void table_done(struct table *table);

/* The next cell, row by row. */
void table_add(struct table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void table_print(const struct table *table, FILE *out);

#endif
