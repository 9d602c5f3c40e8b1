/* SPDX-License-Identifier: MIT
 *
 * Unix sockets: from a path to an address, and who is at the other end, of whom the kernel
 * tells. Used by whoever listens on one, connects to one or parses the path of one.
 */
#ifndef CREWMAN_UNIX_SOCKET_H
#define CREWMAN_UNIX_SOCKET_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

/* 0, or -ENAMETOOLONG. */
int unix_socket_address(const char *path, struct sockaddr_un *out_address);

/* Of a connected socket: pid, user and group of its other end, as they were when it connected
 * or began to listen. 0, or a negative errno number. */
int unix_socket_peer(int fd, struct ucred *out_peer);

/* Is its other end root, or that user? */
bool unix_socket_is_from(int fd, uid_t user);

#endif
