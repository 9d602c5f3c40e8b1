/* SPDX-License-Identifier: MIT
 *
 * Listening sockets: bound by the master, kept by it, inherited by workers. One for a service,
 * or with reuse_port one for each slot.
 */
#ifndef CREWMAN_SOCKETS_H
#define CREWMAN_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "config.h"

struct sockets;

/* Bind what the service listens on. A service without listener gives NULL in *out_sockets and
 * 0. On failure a negative errno number with a line for people, which names the address and,
 * for one in use, what to look for. */
int sockets_open(const struct config_service *config, struct sockets **out_sockets,
                 char *out_why, size_t size);

/* A reload may give the same ones to another service. The last owner closes all, and removes a
 * unix socket's path if it is still ours. NULL is allowed. */
struct sockets *sockets_ref(struct sockets *sockets);
void sockets_unref(struct sockets *sockets);

/* Can this service have them as they are? */
bool sockets_fit(const struct sockets *sockets, const struct config_service *config);

/* The socket of that slot, listening from now on. One that nobody serves must not listen: with
 * reuse_port the kernel would still send it its share. */
int sockets_get(const struct sockets *sockets, unsigned slot);

/* With reuse_port: have one for each of `count` slots, and no more. Growing answers 0 or a
 * negative errno number with a line. */
int sockets_grow(struct sockets *sockets, unsigned count, char *out_why, size_t size);
void sockets_shrink(struct sockets *sockets, unsigned count);

struct sockets_unix {
    mode_t mode;
    int backlog;
    const char *user, *group; /* NULL or "": leave */
};

/* A listening unix socket at `path`: a stale one, on which nobody listens, is replaced.
 * -EADDRINUSE when somebody does, -EEXIST when it is no socket. */
int sockets_listen_unix(const char *path, const struct sockets_unix *options);

#endif
