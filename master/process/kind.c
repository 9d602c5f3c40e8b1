/* SPDX-License-Identifier: MIT
 *
 * See kind.h.
 */
#include "kind.h"

#include "memory.h"

char *kind_program(const struct kind *kind, const char *programs) {
    return memory_format("%s%s", programs, kind->program);
}
