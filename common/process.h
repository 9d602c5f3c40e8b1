/* SPDX-License-Identifier: MIT
 *
 * What a process does to itself: privileges, limits, standard descriptors, title. All answer 0
 * or a negative errno number; none decides to exit.
 */
#ifndef CREWMAN_PROCESS_H
#define CREWMAN_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct identity {
    bool is_set; /* false: stay who we are */
    uid_t uid;
    gid_t gid;
    char user[64];
};

/* Look up user and group by name ("" or NULL user: out_identity->is_set false; "" or NULL
 * group: the user's own). -ENOENT with a line for people in `out_why` when a name does not
 * exist. */
int process_identity(const char *user, const char *group, struct identity *out_identity,
                     char *out_why, size_t size);

/* Become that user for good: initgroups, setgid, setuid, and check that it cannot be undone. A
 * failure must be fatal to the caller. 0 at once when already that user, or when !is_set.
 * -EPERM with a line when not root and another user is wanted. */
int process_become(const struct identity *identity, char *out_why, size_t size);

/* Raise RLIMIT_NOFILE as far as allowed; answers the limit then in force (at least 0). */
long process_raise_nofile(void);

/* Resident set of a process in bytes, from /proc; 0 when unknown. */
size_t process_rss(pid_t pid);

/* "SIGSEGV" for 11; "signal 64" style text for others, in static storage. */
const char *process_signal_name(int signal);

int process_set_cloexec(int fd);

#endif
