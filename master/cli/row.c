/* SPDX-License-Identifier: MIT
 *
 * See row.h.
 */
#include "row.h"

json_int_t row_number(const json_t *row, const char *name) {
    return json_integer_value(json_object_get(row, name));
}

const char *row_text(const json_t *row, const char *name) {
    const char *value = json_string_value(json_object_get(row, name));
    return value && value[0] ? value : "-";
}
