/* SPDX-License-Identifier: MIT
 *
 * Apps that are no shared objects: the runtime of their language, found by the extension of
 * their path, loads and describes them. Called by app.c.
 */
#ifndef CREWMAN_RUNTIME_H
#define CREWMAN_RUNTIME_H

#include <stddef.h>

#include "crewman.h"

/* "py" of "/srv/chat.py"; NULL of a shared object ("chat.so", "chat.so.1", "chat"). Borrowed
 * from `path`. */
const char *runtime_extension(const char *path);

/* Load the app through the runtime of its extension, which lies in `folder` ("": where it is
 * installed). 0 and the descriptor (borrowed, for good), which is checked as one of a shared
 * object must be; or CREW_EINVAL with a line for people. */
int runtime_load(const char *path, const char *folder, const struct crew_app **out_app,
                 char *out_why, size_t size);

#endif
