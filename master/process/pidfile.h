/* SPDX-License-Identifier: MIT
 *
 * The pid file of an instance, held with a lock that the kernel releases when the process ends:
 * a stale file never blocks a start, and of two starts one wins. Called by rundir.c, which has
 * its folder open.
 */
#ifndef CREWMAN_PIDFILE_H
#define CREWMAN_PIDFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "trusted.h"

#define PIDFILE_NAME "crewman.pid"

/* Lock it in that folder and write our pid. A descriptor to keep open; -EWOULDBLOCK when an
 * instance runs (its pid in *out_other, 0 when not readable); or another negative errno number
 * with a line for people. On success *out_other is the pid of an instance that died without
 * removing the file, or 0. */
int pidfile_take(const struct trust *trust, const struct trusted_place *place, pid_t *out_other,
                 char *out_why, size_t size);

/* The pid in the file of that path; 0: none can be read. */
pid_t pidfile_read(const char *path);

/* Is it still the file that we hold? */
bool pidfile_is_there(const struct trusted_place *place, int fd);

/* Remove the file, if it is still ours, and release the lock. */
void pidfile_release(const struct trusted_place *place, int fd);

#endif
