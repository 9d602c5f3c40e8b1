/* SPDX-License-Identifier: MIT
 *
 * See row.h.
 */
#include "row.h"

json_int_t row_number(const json_t *row, const char *name) {
    json_int_t value = json_integer_value(json_object_get(row, name));
    return value < 0 ? 0 : value > ROW_NUMBER_MAX ? ROW_NUMBER_MAX : value;
}

json_int_t row_sum(json_int_t one, json_int_t other) {
    return one + other > ROW_NUMBER_MAX ? ROW_NUMBER_MAX : one + other;
}

const char *row_text(const json_t *row, const char *name) {
    const char *value = json_string_value(json_object_get(row, name));
    return value && value[0] ? value : "-";
}
