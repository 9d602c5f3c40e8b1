/* SPDX-License-Identifier: MIT
 *
 * What must be there before the first child is started: the run_dir, the pid file, the log, the
 * pools with their services and bound sockets. Whatever is wrong is found here, so that a
 * failure leaves no half instance.
 */
#ifndef CREWMAN_SETUP_H
#define CREWMAN_SETUP_H

#include <stddef.h>

struct instance;
struct pins;

/* Of an instance that has its configuration, whose apps `pins` has. 0, or negative with a line
 * for people; what was opened until then stays with the instance. */
int setup_instance(struct instance *instance, const struct pins *pins, char *out_why,
                   size_t size);

#endif
