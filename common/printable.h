/* SPDX-License-Identifier: MIT
 *
 * Text of others on its way to a terminal: bytes that could steer one are replaced. Pure;
 * called by the master, the command line and the worker for reasons and cells of tables.
 */
#ifndef CREWMAN_PRINTABLE_H
#define CREWMAN_PRINTABLE_H

/* Each control character of `text`, also tab and the ends of lines, becomes `instead`. */
void printable_make(char *text, char instead);

#endif
