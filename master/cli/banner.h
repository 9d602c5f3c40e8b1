/* SPDX-License-Identifier: MIT
 *
 * What a successful start prints.
 */
#ifndef CREWMAN_BANNER_H
#define CREWMAN_BANNER_H

struct instance;

void banner_print(const struct instance *instance);

#endif
