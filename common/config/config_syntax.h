/* SPDX-License-Identifier: MIT
 *
 * Syntax of a config file: blanks comments, and turns what jansson says of a broken text into a
 * place and a sentence that says what was found and what was expected. Called by config_text.c
 * only.
 */
#ifndef CREWMAN_CONFIG_SYNTAX_H
#define CREWMAN_CONFIG_SYNTAX_H

#include <stddef.h>

#include "config_text.h"

/* The length of a UTF-8 byte order mark at the begin, 0 for none. */
size_t config_syntax_skip_mark(const char *data, size_t len);

/* Blank the comments in place and check what jansson cannot: NUL bytes, depth, other comments.
 * -EINVAL with the offset and a line for people. */
int config_syntax_prepare(char *data, size_t len, size_t *out_at, char *out_why, size_t size);

/* Load a prepared text that ends with NUL; the root is an object. Same answers. */
int config_syntax_load(const char *data, size_t len, json_t **out_root, size_t *out_at,
                       char *out_why, size_t size);

struct config_position config_syntax_position(const char *data, size_t at);

#endif
