/* SPDX-License-Identifier: MIT
 *
 * A config file as text and as JSON, and the way back from a path to line and column, which
 * jansson does not keep. `//` comments are blanked before jansson sees the text, so that
 * positions stay. Bounded: size and depth. Knows nothing of keys.
 */
#ifndef CREWMAN_CONFIG_TEXT_H
#define CREWMAN_CONFIG_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define CONFIG_TEXT_MAX       (1024u * 1024u)
#define CONFIG_TEXT_DEPTH_MAX 16

struct config_text {
    char *data; /* comments blanked, no byte order mark, NUL after the end */
    size_t len;
    json_t *root; /* an object */
};

struct config_position {
    unsigned line, column; /* from 1; columns count characters */
};

/* The way to a value. `index` below 0: none, else the element of a list at the end of the way.
 */
struct config_path {
    const char *parts[CONFIG_TEXT_DEPTH_MAX];
    size_t depth;
    long index;
};

/* Takes `len` bytes. -EINVAL with the position and a line for people ("found …; expected …").
 */
int config_text_parse(const char *data, size_t len, struct config_text *out_text,
                      struct config_position *out_position, char *out_why, size_t size);
void config_text_done(struct config_text *text);

/* The whole file, at most CONFIG_TEXT_MAX bytes; *out_data is freed by the caller. A negative
 * errno number; -EFBIG, -EISDIR and -EINVAL (no regular file) among them. */
int config_text_read(const char *path, char **out_data, size_t *out_len);

/* Where the value (or its key) stands; of a path that is not there the deepest part that is. */
struct config_position config_text_find(const struct config_text *text,
                                        const struct config_path *path, bool is_key);

#endif
