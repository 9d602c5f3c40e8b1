/* SPDX-License-Identifier: MIT
 *
 * Processes that the master starts, of whatever kind, and their ends: docs/adr/0010. Each gets
 * a session of its own without a terminal, the descriptors that are listed, and the signals of
 * signals_hold() held back. Called by child.c and describe.c; says nothing of what a process is
 * for.
 */
#ifndef CREWMAN_SPAWNER_H
#define CREWMAN_SPAWNER_H

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "list.h"

/* One a loop: it alone waits for children. */
struct spawner {
    uv_loop_t *loop;
    uv_signal_t ended; /* SIGCHLD */
    uv_timer_t again;
    struct list running;
};

/* A process. It lies in the owner's memory, at the same place until it has ended or is
 * forgotten. */
struct spawned {
    struct list in_running;
    pid_t pid;
    bool is_running;
    unsigned dead_looks; /* of ours, while nobody lets us wait for it */
    /* Its exit code, or the signal that has ended it; from the loop, once. */
    void (*ended)(struct spawned *spawned, int status, int signal);
};

/* Borrowed for the call. */
struct spawn_spec {
    const char *program; /* a path; without a slash PATH is searched */
    char *const *arguments;
    const int *fds; /* that it gets as 0, 1, 2, …; below 0: /dev/null of the first three, none
                       of the others */
    unsigned count;
};

/* The loop ends in spite of it. 0 or a negative errno number; then there is nothing to close.
 */
int spawner_open(struct spawner *spawner, uv_loop_t *loop);
void spawner_close(struct spawner *spawner);

/* `ended` must be set. 0, or a negative errno number, also when the program could not be
 * executed; then it is not called. */
int spawner_start(struct spawner *spawner, struct spawned *spawned,
                  const struct spawn_spec *spec);

/* Nothing happens to one that has ended: its number may be another's by now. */
void spawner_kill(const struct spawned *spawned, int signal);

/* Its end is nobody's business any more; it is waited for all the same. */
void spawner_forget(struct spawned *spawned);

#endif
