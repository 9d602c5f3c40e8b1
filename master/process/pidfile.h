/* SPDX-License-Identifier: MIT
 *
 * The pid file of an instance, held with a lock that the kernel releases when the process ends:
 * a stale file never blocks a start, and of two starts one wins.
 */
#ifndef CREWMAN_PIDFILE_H
#define CREWMAN_PIDFILE_H

#include <sys/types.h>

/* Lock `path` and write our pid. A descriptor to keep open; -EWOULDBLOCK when an instance runs
 * (its pid in *out_other, 0 when not readable); or another negative errno number. On success
 * *out_other is the pid of an instance that died without removing the file, or 0. */
int pidfile_take(const char *path, pid_t *out_other);

/* The pid in it; 0: none can be read. */
pid_t pidfile_read(const char *path);

/* Remove the file and release the lock. */
void pidfile_release(const char *path, int fd);

#endif
