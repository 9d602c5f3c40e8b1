/* SPDX-License-Identifier: MIT
 *
 * What a successful start prints.
 */
#ifndef CREWMAN_BANNER_H
#define CREWMAN_BANNER_H

struct master;

void banner_print(const struct master *master);

#endif
