/* SPDX-License-Identifier: MIT
 *
 * What the deciding part of the master stands on, made up: sockets, children, the reading of
 * the configuration, the time. Everything fails now and then. Of a service the first of its
 * pool is meant: here each pool has one. Linked in the place of the master's own files.
 */
#ifndef CREWMAN_MADE_UP_H
#define CREWMAN_MADE_UP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "child.h"
#include "config.h"
#include "instance.h"
#include "listen.h"

struct loading;
struct reload;

/* Of a service without reuse_port: one for all its workers. */
struct sockets {
    unsigned refs;
    int number;
    bool is_spoilt;
    struct listen_address address;
};

struct world {
    struct instance instance;
    struct reload *reload;
    struct loading *loading; /* NULL: none is under way */
    uint64_t now, seed;
    unsigned failures; /* in a hundred */
    int last_socket;
    unsigned done, failed; /* reloads */
};

extern struct world world;

unsigned made_up_draw(unsigned below);

/* Services come and go, move, and have more or fewer workers. */
struct config *made_up_config(void);

int made_up_sockets(const struct config_service *config, struct sockets **out_sockets,
                    char *out_why, size_t size);

/* The number of the socket that it has. */
int made_up_socket(const struct child *child);

/* Its process has ended. */
void made_up_end(struct child *child, int status);

/* The reading that is under way comes to its end. */
void made_up_loading(void);

#endif
