/* SPDX-License-Identifier: MIT
 *
 * The walk through a folder of cookie sessions, a few files at a time: it removes what has
 * expired and what a writer that died has left, and counts the rest. When a whole walk has
 * found more than session.max_files, the next one removes the surplus: those that no second
 * request has used first, and of these and of the others the ones used longest ago. Every
 * worker walks, and none must remove for itself what all of them found too many: the ages that
 * go as a whole are the same for all, and of the one age that goes in part each worker removes
 * its part. Keeps no clock; used by cookie_store_file.c.
 */
#ifndef CREWMAN_COOKIE_SWEEP_H
#define CREWMAN_COOKIE_SWEEP_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Four to each doubling of an age in milliseconds. */
#define COOKIE_SWEEP_AGES 256u

/* Those that came back, or those that did not. */
struct cookie_kind {
    uint32_t ages[COOKIE_SWEEP_AGES]; /* how many of which age this walk has found */
    int64_t all_before_ms;            /* who was last used before, since 1970, has to go */
    int64_t some_before_ms;           /* and of those that were used before this one */
    size_t some;                      /* so many */
};

struct cookie_bounds {
    int64_t lifetime_s;
    size_t max_files;
    size_t workers; /* that walk through this folder */
};

struct cookie_sweep {
    DIR *walk;        /* NULL: between two of them */
    int64_t began_ms; /* since 1970; ages are counted back from there */
    size_t found;     /* sessions of this walk that stay */
    bool is_removing; /* what the last one found too many */
    struct cookie_kind came_back, fresh;
};

/* The next `count` files of `dir`; answers how many were removed. `now_ms`: since 1970. */
int cookie_sweep_some(struct cookie_sweep *sweep, int dir, int count, int64_t now_ms,
                      const struct cookie_bounds *bounds);

/* Are there more than `max_files`, as far as it knows? */
bool cookie_sweep_is_over(const struct cookie_sweep *sweep, size_t max_files);

/* Forget the walk; the folder is another one, or is left. */
void cookie_sweep_stop(struct cookie_sweep *sweep);

#endif
