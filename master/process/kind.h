/* SPDX-License-Identifier: MIT
 *
 * A kind of child as a row: which program it is, which descriptors it gets beyond those that
 * every child has, and what its plan says. Whoever makes a pool says of which kind its
 * children are; birth.c asks the row and never which kind it is.
 */
#ifndef CREWMAN_KIND_H
#define CREWMAN_KIND_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "child.h"
#include "pin.h"
#include "pool.h"
#include "program.h"

/* Who is to be born, and with what. */
struct birth {
    const struct place *place;
    const struct config *config; /* that it is to run under */
    unsigned generation;
    uint32_t number;
    bool is_new;           /* of a generation that is not in force yet */
    const struct pin *pin; /* of its app, or NULL */
    struct obituary_app app;
    int own_fds[CHILD_OWN_MAX];
    unsigned own_count;
};

struct kind {
    const char *word;        /* "worker": in its title */
    enum program_id program; /* that it runs */
    /* Fill own_fds (they stay ours), own_count, and the name of its app. */
    void (*equip)(struct birth *birth);
    /* The body of its plan, a new reference. */
    json_t *(*plan)(const struct birth *birth);
};

#endif
