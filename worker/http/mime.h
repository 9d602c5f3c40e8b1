/* SPDX-License-Identifier: MIT
 *
 * The media type of a file by its name's extension. Pure.
 */
#ifndef CREWMAN_MIME_H
#define CREWMAN_MIME_H

#include <stdbool.h>
#include <stddef.h>

/* Never NULL; application/octet-stream for what is not known. */
const char *mime_type(const char *path);

/* An entry of static.types, "EXTENSION=TYPE": is it well formed? */
bool mime_is_entry(const char *entry);

/* The type that the last matching one of `count` such entries gives to `path`, or that of
 * mime_type(). */
const char *mime_type_of(const char *path, char *const *entries, size_t count);

#endif
