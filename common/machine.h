/* SPDX-License-Identifier: MIT
 *
 * What this machine has, as far as it is ours: a container sees all of the machine's memory and
 * may use a part of it. Called by the configuration.
 */
#ifndef CREWMAN_MACHINE_H
#define CREWMAN_MACHINE_H

#include <stdint.h>

/* Bytes of memory that this process and its siblings may have: the machine's, or the smallest
 * limit of the control groups above us, of version 2 or 1. `root` is "", or in tests a folder
 * that stands for the root of the file system. 0: not known. */
uint64_t machine_memory(const char *root);

#endif
