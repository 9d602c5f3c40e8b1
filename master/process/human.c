/* SPDX-License-Identifier: MIT
 *
 * See human.h.
 */
#include "human.h"

#include <stdio.h>

void human_duration(uint64_t ms, char *out_text, size_t size) {
    unsigned long long s = ms / 1000, m = s / 60, h = m / 60;
    if (s == 0)
        snprintf(out_text, size, "%llums", (unsigned long long)ms);
    else if (m == 0)
        snprintf(out_text, size, "%llus", s);
    else if (h == 0)
        snprintf(out_text, size, "%llum%02llus", m, s % 60);
    else if (h < 24)
        snprintf(out_text, size, "%lluh%02llum", h, m % 60);
    else
        snprintf(out_text, size, "%llud%lluh", h / 24, h % 24);
}

void human_size(uint64_t bytes, char *out_text, size_t size) {
    static const char units[] = {'K', 'M', 'G', 'T', 'P', 'E'};
    double value = (double)bytes / 1024.0;
    size_t unit = 0;
    if (bytes < 1024) {
        snprintf(out_text, size, "%llu", (unsigned long long)bytes);
        return;
    }
    /* The bounds are those of what is printed: 1023.6K would be rounded to 1024K. */
    while (value >= 1023.5 && unit + 1 < sizeof(units)) {
        value /= 1024.0;
        unit++;
    }
    snprintf(out_text, size, value < 9.95 ? "%.1f%c" : "%.0f%c", value, units[unit]);
}
