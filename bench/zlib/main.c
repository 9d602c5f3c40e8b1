/* SPDX-License-Identifier: MIT
 *
 * What compression alone costs: does the work of work.h for so many seconds and prints the CPU
 * time of one message. The file has a message a line.
 * usage: bench-zlib FILE LEVEL WINDOW-BITS MEMORY-LEVEL SECONDS
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "work.h"

#define BURST 16 /* between two looks at the clock */

static double cpu_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    if (argc != 6 || !work_open(argv[1], atoi(argv[2]), atoi(argv[3]), atoi(argv[4])))
        return 2;
    double start = cpu_s(), seconds = atof(argv[5]);
    unsigned long done = 0;
    while (cpu_s() - start < seconds)
        for (int burst = 0; burst < BURST; burst++, done++)
            if (!work_one())
                return 1;
    printf("{\"cpu_us\": %.4f}\n", (cpu_s() - start) / (double)done * 1e6);
    return 0;
}
