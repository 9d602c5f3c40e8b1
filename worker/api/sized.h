/* SPDX-License-Identifier: MIT
 *
 * Structs that pass between app and worker, either of which may know more fields than the
 * other: what one side lacks is zero, and no byte beyond the smaller of the two is touched.
 * Used wherever such a struct is read or filled (crew_…_sized(), app.c, runtime.c).
 */
#ifndef CREWMAN_SIZED_H
#define CREWMAN_SIZED_H

#include <stddef.h>
#include <string.h>

static inline void sized_copy(void *to, size_t to_size, const void *from, size_t from_size) {
    size_t both = to_size < from_size ? to_size : from_size;
    memcpy(to, from, both);
    memset((char *)to + both, 0, to_size - both);
}

#endif
