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
#include "mend.h"
#include "unix_name.h"

struct sockets;

/* Bind what the service listens on. A service without listener gives NULL in *out_sockets and
 * 0. On failure a negative errno number with a line for people, which names the address and,
 * for one in use, what to look for. */
int sockets_open(const struct config_service *config, struct sockets **out_sockets,
                 char *out_why, size_t size);

/* The same beside sockets of ours whose address covers this one or is covered by it, which
 * share already (sockets_share()). A stream then listens from when its first worker is ready:
 * as soon as it does, the kernel gives it who connects to the narrower of the two. */
int sockets_open_beside(const struct config_service *config, struct sockets **out_sockets,
                        char *out_why, size_t size);

/* A reload may give the same ones to another service. The last owner closes all, and removes a
 * unix socket's path if it is still ours. NULL is allowed. */
struct sockets *sockets_ref(struct sockets *sockets);
void sockets_unref(struct sockets *sockets);

/* Can this service have them as they are? A unix socket also needs its path still. */
bool sockets_fit(const struct sockets *sockets, const struct config_service *config);

/* Would the kernel refuse that address because of these? */
bool sockets_overlap(const struct sockets *sockets, const struct config_service *config);

/* Let another socket of ours have an address that overlaps, until it is turned off: what is
 * bound by then stays. Whoever serves sees by SO_REUSEPORT that its socket is about to be
 * replaced. With reuse_port it is always so. */
void sockets_share(struct sockets *sockets, bool is_on);

/* Only the caller has them, and they still take what comes: no worker has heard yet that it
 * drains. */
bool sockets_wait_for_workers(const struct sockets *sockets);

/* What workers did to them is undone; the worst that was found. NULL is fine. */
enum mend sockets_mend(struct sockets *sockets);

/* The socket of that slot, listening from now on. One that nobody serves must not listen: with
 * reuse_port the kernel would still send it its share. */
int sockets_get(const struct sockets *sockets, unsigned slot);

/* A worker in that slot listens: from now on it is a fault when the socket does not. */
void sockets_note_listening(struct sockets *sockets, unsigned slot);

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
int sockets_listen_unix(const char *path, const struct sockets_unix *options,
                        struct unix_name *out_name);

#endif
