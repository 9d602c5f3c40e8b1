/* SPDX-License-Identifier: MIT
 *
 * What a child writes to its standard output and error, its own log lines and what the app
 * prints: a pipe, read here, cut into lines and put into the log under the child's name. A
 * child gets no descriptor of the log. What it says too fast stays in the pipe, and the child
 * loses what does not fit there. Never waits; hears of its child's end from its owner.
 */
#ifndef CREWMAN_LOG_PIPE_H
#define CREWMAN_LOG_PIPE_H

#include <sys/types.h>
#include <uv.h>

#include "list.h"

struct log_pipe;

/* All of an instance. */
struct log_pipes {
    uv_loop_t *loop;
    struct list left; /* of children that have ended, held by programs that they started */
    unsigned count;   /* of those */
};

void log_pipes_init(struct log_pipes *pipes, uv_loop_t *loop);

/* Read what there is, and close those that are left. */
void log_pipes_close(struct log_pipes *pipes);

/* For the child of that label. *out_end is its end of the pipe, close-on-exec: the caller's to
 * hand over and to close. 0, or a negative errno number. */
int log_pipe_open(struct log_pipes *pipes, const char *label, struct log_pipe **out_pipe,
                  int *out_end);

void log_pipe_set_pid(struct log_pipe *pipe, pid_t pid);

/* The child has ended, or was never there: what it wrote is in the log when this returns. A
 * program that it started may write on. */
void log_pipe_end(struct log_pipe *pipe);

#endif
