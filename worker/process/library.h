/* SPDX-License-Identifier: MIT
 *
 * Opening a shared object for the one symbol that it exports, and the check of its ABI. Its
 * constructors run in here; it is never closed. Called by app.c and runtime.c.
 */
#ifndef CREWMAN_LIBRARY_H
#define CREWMAN_LIBRARY_H

#include <stddef.h>

/* The symbol, borrowed for good; NULL with a line for people that begins with the path. `fd`:
 * of the copy that is loaded in place of that file and stays open for good, or -1. `macro`:
 * what makes the symbol, for that line. */
const void *library_open(const char *path, int fd, const char *symbol, const char *macro,
                         char *out_why, size_t size);

/* CREW_EINVAL and the line for a file that is no shared object. */
int library_refuse_other(const char *path, char *out_why, size_t size);

/* CREW_EINVAL with a line for people when an `app` or a `runtime` (`what`) was compiled for
 * another ABI than ours. */
int library_check_abi(const char *path, const char *what, unsigned abi, char *out_why,
                      size_t size);

#endif
