/* SPDX-License-Identifier: MIT
 *
 * Text of others on its way to a terminal: what could steer one is replaced. That are control
 * characters (C0, DEL, C1), characters that turn the direction of a line or begin a new one,
 * and bytes that are no UTF-8. Pure; called by the log, the master, the command line and the
 * worker.
 */
#ifndef CREWMAN_PRINTABLE_H
#define CREWMAN_PRINTABLE_H

#include <stddef.h>

/* The bytes of the character at `text`, which is not empty; negative when a terminal must not
 * get them. */
int printable_look(const char *text);

/* Each byte of such a character in `text` becomes `instead`. */
void printable_make(char *text, char instead);

/* Copy what fits into `size` bytes, at least 1 and always terminated; each such byte becomes
 * \xNN. Answers the length. No character is cut. */
size_t printable_copy(char *out_text, size_t size, const char *text);

#endif
