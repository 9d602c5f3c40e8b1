/* SPDX-License-Identifier: MIT
 *
 * See counters.h.
 */
#include "counters.h"

const struct counter *counter_get(enum counter_id id) {
#define COUNTER_ROW(id, name, kind, help) {#name, COUNTER_KIND_##kind, help},
    static const struct counter rows[] = {COUNTERS(COUNTER_ROW)};
#undef COUNTER_ROW
    return &rows[id];
}
