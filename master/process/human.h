/* SPDX-License-Identifier: MIT
 *
 * Numbers as people read them in tables and log lines. Pure.
 */
#ifndef CREWMAN_HUMAN_H
#define CREWMAN_HUMAN_H

#include <stddef.h>
#include <stdint.h>

/* "850ms", "12s", "3m12s", "5h03m", "12d4h". */
void human_duration(uint64_t ms, char *out_text, size_t size);

/* "512", "1.2K", "34M": powers of 1024. */
void human_size(uint64_t bytes, char *out_text, size_t size);

#endif
