/* SPDX-License-Identifier: MIT
 *
 * See fake_clock.h. A program's own clock_gettime() stands before the C library's, also for
 * the shared libraries that it uses.
 */
#include "fake_clock.h"

#include <time.h>

#define START_MS 1000000u

static uint64_t now_ms = START_MS;

__attribute__((visibility("default"))) int clock_gettime(clockid_t id, struct timespec *out) {
    (void)id;
    *out = (struct timespec){.tv_sec = (time_t)(now_ms / 1000),
                             .tv_nsec = (long)(now_ms % 1000) * 1000000};
    return 0;
}

void fake_clock_pass(uint64_t ms) {
    now_ms += ms;
}

uint64_t fake_clock_now(void) {
    return now_ms;
}
