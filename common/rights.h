/* SPDX-License-Identifier: MIT
 *
 * Descriptors that come over a unix socket unasked (SCM_RIGHTS). Whoever lets go of the last
 * descriptor of a file waits as long as its close takes: of a tcp socket with SO_LINGER as long
 * as its sender likes. So who does not trust the other end must not receive any, not even to
 * close it. Used for control pipes and for unix sockets that listen.
 */
#ifndef CREWMAN_RIGHTS_H
#define CREWMAN_RIGHTS_H

#include <stddef.h>
#include <sys/types.h>

/* The kernel turns them away (EPERM for the sender), also on what a listener accepts; before
 * Linux 6.16 nothing happens. */
void rights_refuse(int fd);

/* Read from a stream; never waits. Bytes, 0 at the end, or a negative errno number: -EPERM when
 * a descriptor lies before the next byte; neither is taken then. */
ssize_t rights_read(int fd, void *out_data, size_t size);

/* close(2), without waiting for a descriptor that was never received. */
void rights_close(int fd);

#endif
