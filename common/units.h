/* SPDX-License-Identifier: MIT
 *
 * Durations and sizes as people write them: "25s", "1.5h", "250ms", "64k", "10m". Pure.
 */
#ifndef CREWMAN_UNITS_H
#define CREWMAN_UNITS_H

#include <stddef.h>
#include <stdint.h>

/* ms, s, m, h, d; a unit is required unless the number is 0; a fraction is allowed as long as
 * it is exact ("1.5s"). -EINVAL when it is none, -ERANGE above 10 years. */
int duration_parse(const char *text, uint64_t *out_ms);

/* The shortest exact form, "1500ms" for 1500, "90s" for 90000, "2m" for 120000. */
void duration_format(uint64_t ms, char *out_text, size_t size);

/* b (or none), k, m, g, powers of 1024, any case, exact fractions. -EINVAL, -ERANGE above 2^62.
 */
int size_parse(const char *text, uint64_t *out_bytes);
void size_format(uint64_t bytes, char *out_text, size_t size);

#endif
