/* SPDX-License-Identifier: MIT
 *
 * Lines for people at a terminal. The only way in which texts that another process, a client or
 * an app supplied are printed: nothing in them can steer the terminal. Called by the command
 * line and by a master that starts.
 */
#ifndef CREWMAN_SAY_H
#define CREWMAN_SAY_H

#include <jansson.h>
#include <stdio.h>

/* One line; the end of the line is added. */
void say_line(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for each line of a text, behind a lead of ours that no line can do without. */
void say_lines(FILE *out, const char *lead, const char *text);

/* `value` as json_dumps() with `flags` writes it, and the end of the line. What could steer a
 * terminal is written \uNNNN, so it is the same value for programs. */
void say_json(FILE *out, const json_t *value, size_t flags);

#endif
