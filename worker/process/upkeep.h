/* SPDX-License-Identifier: MIT
 *
 * What a worker does about its memory once a second: says for whom connections were closed
 * (common/net/shed.h), and gives back to the system what is free again when the loop has
 * nothing better to do. Called by lifecycle.c and control.c.
 */
#ifndef CREWMAN_UPKEEP_H
#define CREWMAN_UPKEEP_H

#include <stdint.h>

struct worker;

struct upkeep {
    uint64_t shed;  /* as far as the log knows */
    uint64_t turns; /* of the loop, at the last beat */
    unsigned put_off;
};

/* limits.memory of the plan holds from now on. */
void upkeep_start(struct worker *worker);

/* With each beat of the control pipe, which come a second after each other. */
void upkeep_beat(struct worker *worker);

#endif
