/* SPDX-License-Identifier: MIT
 *
 * From schedstat, which counts nanoseconds; stat counts hundredths of a second.
 */
#include "cputime.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static double of_thread(int pid, const char *thread) {
    char path[64 + 256];
    unsigned long long ns = 0;
    snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", pid, thread);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    if (fscanf(file, "%llu", &ns) != 1)
        ns = 0;
    fclose(file);
    return (double)ns / 1e9;
}

double cputime_read(const int *pids, unsigned count) {
    double total = 0;
    for (unsigned i = 0; i < count; i++) {
        char path[64];
        snprintf(path, sizeof(path), "/proc/%d/task", pids[i]);
        DIR *tasks = opendir(path);
        if (!tasks)
            continue;
        for (struct dirent *entry; (entry = readdir(tasks)) != NULL;)
            if (entry->d_name[0] != '.')
                total += of_thread(pids[i], entry->d_name);
        closedir(tasks);
    }
    return total;
}
