/* SPDX-License-Identifier: MIT
 *
 * Where the master writes: its log, and until it is a daemon the terminal. Owns the outlets of
 * an instance; nothing else in the master writes to a descriptor that may block.
 */
#ifndef CREWMAN_OUTPUT_H
#define CREWMAN_OUTPUT_H

#include <stddef.h>
#include <stdio.h>

struct instance;
struct outlet;

/* Standard output and error; log lines go to the latter for now. 0, or a negative errno number.
 */
int output_open(struct instance *instance);

/* The path of the log; NULL: it is standard error. Static storage as instance_path(). */
const char *output_log_path(const struct instance *instance);

/* Have the outlet open that path, as the configuration trusts; see outlet_switch(). */
int output_switch_log(const struct instance *instance, struct outlet *outlet, const char *path);

/* From now on log lines go to the log. 0, or negative with a line for people. */
int output_open_log(struct instance *instance, char *out_why, size_t size);

/* Print for people: what `print` writes to `out` goes to one of the outlets; NULL: nowhere. */
void output_print(struct outlet *outlet, void (*print)(FILE *out, const void *arg),
                  const void *arg);

/* The log takes the place of standard output and error. */
void output_leave_terminal(struct instance *instance);

/* Wait a moment until all is written. */
void output_flush(const struct instance *instance);

/* Behind the last line. */
void output_close(struct instance *instance);

#endif
