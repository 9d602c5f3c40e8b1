/* SPDX-License-Identifier: MIT
 *
 * The time of a test program, for all of it: libuv's loop and timers, and what asks the system.
 * It moves only when it is told to.
 */
#ifndef CREWMAN_TEST_FAKE_CLOCK_H
#define CREWMAN_TEST_FAKE_CLOCK_H

#include <stdint.h>

void fake_clock_pass(uint64_t ms);
uint64_t fake_clock_now(void);

#endif
