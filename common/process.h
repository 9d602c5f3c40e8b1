/* SPDX-License-Identifier: MIT
 *
 * What a process does to itself and knows of others: limits, flags of descriptors, memory,
 * names of signals. None decides to exit.
 */
#ifndef CREWMAN_PROCESS_H
#define CREWMAN_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Raise RLIMIT_NOFILE as far as allowed; answers the limit then in force (at least 0). */
long process_raise_nofile(void);

/* Resident set of a process in bytes, from /proc; 0 when unknown. */
size_t process_rss(pid_t pid);

/* Has somebody stopped it (SIGSTOP, Ctrl+Z, a debugger)? */
bool process_is_stopped(pid_t pid);

/* "SIGSEGV" for 11; "signal 64" style text for others, in static storage. */
const char *process_signal_name(int signal);

int process_set_cloexec(int fd);

#endif
