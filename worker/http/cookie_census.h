/* SPDX-License-Identifier: MIT
 *
 * Which cookie sessions a worker has made, for whom, and which of them goes first when there is
 * no room. A session is new until a later request brings its cookie back: anybody can make
 * thousands of new ones in a second, so they go before those that came back; of these, the
 * address that holds most pays first. One client address has a share only, of their number and
 * of their bytes. Owns neither sessions nor
 * clocks; used by both stores.
 */
#ifndef CREWMAN_COOKIE_CENSUS_H
#define CREWMAN_COOKIE_CENSUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "idmap.h"
#include "list.h"

struct cookie_origin;

/* Embedded in what a store keeps of a session. */
struct cookie_member {
    struct list in_all, in_origin;
    struct cookie_origin *origin; /* NULL: its client has no address */
    bool came_back;
    size_t bytes; /* that it holds; 0 where they are no memory of ours */
};

struct cookie_census {
    struct list fresh, used; /* of in_all; the one made, or used, longest ago comes first */
    size_t fresh_count, count;
    size_t fresh_bytes, bytes;
    struct idmap origins;
    struct list levels[64]; /* of in_level: those of each doubling of what they hold */
    uint64_t seed;          /* clients choose their addresses */
    size_t max;             /* sessions; an address has half of them, or this if it is more */
    size_t max_bytes;       /* of all; an address has half of them */
};

#define COOKIE_CENSUS_SHARE_MIN 16u

void cookie_census_init(struct cookie_census *census, uint64_t seed, size_t max,
                        size_t max_bytes);
void cookie_census_done(struct cookie_census *census);

/* Who has to go before one more may enter for the client `key` (address_key()); NULL: nobody.
 * To be asked again when that one has left. */
struct cookie_member *cookie_census_surplus(const struct cookie_census *census, uint64_t key);

/* A new session. 0 or -ENOMEM. */
int cookie_census_enter(struct cookie_census *census, struct cookie_member *member,
                        uint64_t key);

/* It holds so many bytes from now on. */
void cookie_census_resize(struct cookie_census *census, struct cookie_member *member,
                          size_t bytes);

/* Who else has to go for the bytes that it holds; NULL: nobody. To be asked again when that one
 * has left. */
struct cookie_member *cookie_census_excess(const struct cookie_census *census,
                                           struct cookie_member *member);

/* It came back, and was used just now. */
void cookie_census_use(struct cookie_census *census, struct cookie_member *member);

void cookie_census_leave(struct cookie_census *census, struct cookie_member *member);

/* Was it made for the client `key`? */
bool cookie_census_is_of(const struct cookie_census *census, const struct cookie_member *member,
                         uint64_t key);

/* The first of a list, or NULL. */
struct cookie_member *cookie_census_first(const struct list *list);

#endif
