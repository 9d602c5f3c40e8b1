/* SPDX-License-Identifier: MIT
 *
 * What a successful start prints of its instance.
 */
#ifndef CREWMAN_BANNER_H
#define CREWMAN_BANNER_H

#include <stdio.h>

void banner_print(FILE *out, const void *instance);

#endif
