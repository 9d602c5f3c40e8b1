/* SPDX-License-Identifier: MIT
 *
 * What one request changes in a cookie session, apart from the session itself: two requests at
 * the same time both have theirs kept. Pure; used by the stores.
 */
#ifndef CREWMAN_COOKIE_CHANGES_H
#define CREWMAN_COOKIE_CHANGES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Changes of a session: `clears` first, then each name with its string, or null to forget it.
 */
struct cookie_changes {
    bool clears;
    const json_t *names;
};

/* Make the changes in `data`. 0 or CREW_ENOMEM. */
int cookie_changes_apply(const struct cookie_changes *changes, json_t *data);

/* Of the names and values of a session. */
size_t cookie_changes_size(json_t *data);

#endif
