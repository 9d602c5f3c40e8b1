/* SPDX-License-Identifier: MIT
 *
 * The one place where a log is opened by its name: a file, a FIFO, a terminal, or a descriptor
 * that the master was started with. Names that others could change are not taken. Called by the
 * outlet's thread, as it may wait for a disk.
 */
#ifndef CREWMAN_LOG_FILE_H
#define CREWMAN_LOG_FILE_H

#include <stddef.h>

#include "trusted.h"

/* A descriptor, close-on-exec, or a negative errno number with a line for people. */
int log_file_open(const struct trust *trust, const char *path, char *out_why, size_t size);

/* Would log_file_open() take what is there? Opens and makes nothing. 0, or as above. */
int log_file_check(const struct trust *trust, const char *path, char *out_why, size_t size);

#endif
