/* SPDX-License-Identifier: MIT
 *
 * See process.h.
 */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

long process_raise_nofile(void) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return 0;
    struct rlimit wanted = {files.rlim_max, files.rlim_max};
    if (files.rlim_cur != files.rlim_max && setrlimit(RLIMIT_NOFILE, &wanted) == 0)
        files = wanted;
    return files.rlim_cur > (rlim_t)__LONG_MAX__ ? __LONG_MAX__ : (long)files.rlim_cur;
}

size_t process_rss(pid_t pid) {
    char path[64];
    unsigned long total, resident = 0;
    snprintf(path, sizeof(path), "/proc/%ld/statm", (long)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    if (fscanf(file, "%lu %lu", &total, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* The state stands behind the name, which may hold anything. */
bool process_is_stopped(pid_t pid) {
    char path[64], text[512];
    snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    size_t len = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[len] = '\0';
    const char *end = strrchr(text, ')');
    return end && end[1] == ' ' && (end[2] == 'T' || end[2] == 't');
}

const char *process_signal_name(int signal) {
    static char text[32];
    const char *name = sigabbrev_np(signal);
    if (name)
        snprintf(text, sizeof(text), "SIG%s", name);
    else
        snprintf(text, sizeof(text), "signal %d", signal);
    return text;
}

/* FD_CLOEXEC is the only flag of its kind. */
int process_set_cloexec(int fd) {
    return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? 0 : -errno;
}
