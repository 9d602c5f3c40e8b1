/* SPDX-License-Identifier: MIT
 *
 * Files in memory that processes share by their descriptors: pages of counters, copies of apps.
 * Made by the master; sealing says what nobody can do to one any more. Holds nothing.
 */
#ifndef CREWMAN_MEMFD_H
#define CREWMAN_MEMFD_H

#include <stddef.h>
#include <sys/types.h>

/* The largest copy of an app. */
#define MEMFD_APP_MAX ((off_t)256 << 20)

/* After these nothing of it can change. */
#define MEMFD_FROZEN (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)

/* A new one, empty, writable, close-on-exec, that can be sealed and not be executed; what is
 * behind 200 bytes of the name is cut. A descriptor, or a negative errno number. */
int memfd_open(const char *name, mode_t mode);

/* A descriptor of the same file that can only be read, or a negative errno number. */
int memfd_reopen(int fd);

#endif
