/* SPDX-License-Identifier: MIT
 *
 * See table.h. Bytes that could steer a terminal are shown as '?'.
 */
#include "table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "printable.h"

void table_init(struct table *table, const struct table_column *columns, size_t count) {
    *table = (struct table){.columns = columns, .column_count = count};
}

void table_done(struct table *table) {
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i]);
    free(table->cells);
}

void table_add(struct table *table, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    printable_make(text, '?');
    table->cells = memory_resize(table->cells, table->cell_count + 1, sizeof(char *));
    table->cells[table->cell_count++] = memory_copy_text(text);
}

static size_t width_of(const struct table *table, size_t column) {
    size_t width = strlen(table->columns[column].title);
    for (size_t i = column; i < table->cell_count; i += table->column_count)
        if (strlen(table->cells[i]) > width)
            width = strlen(table->cells[i]);
    return width;
}

static void print_cell(const struct table *table, size_t column, const char *text, size_t width,
                       FILE *out) {
    bool is_last = column + 1 == table->column_count;
    if (table->columns[column].is_number)
        fprintf(out, "%*s%s", (int)width, text, is_last ? "\n" : "  ");
    else if (is_last)
        fprintf(out, "%s\n", text);
    else
        fprintf(out, "%-*s  ", (int)width, text);
}

void table_print(const struct table *table, FILE *out) {
    size_t widths[TABLE_COLUMNS_MAX];
    for (size_t i = 0; i < table->column_count; i++)
        widths[i] = width_of(table, i);
    for (size_t i = 0; i < table->column_count; i++)
        print_cell(table, i, table->columns[i].title, widths[i], out);
    for (size_t i = 0; i < table->cell_count; i++)
        print_cell(table, i % table->column_count, table->cells[i],
                   widths[i % table->column_count], out);
}
