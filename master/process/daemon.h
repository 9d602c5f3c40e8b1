/* SPDX-License-Identifier: MIT
 *
 * Becoming a daemon: the command waits in the parent until the start is decided; the child
 * leaves terminal, session and folder.
 */
#ifndef CREWMAN_DAEMON_H
#define CREWMAN_DAEMON_H

/* Fork. In the child answers the descriptor to report on: one byte, the exit code of the start.
 * The parent does not come back: it exits with that code, or 1 when the child dies before. A
 * negative errno number: nothing was forked. */
int daemon_fork(void);

/* Standard output and error go to the log from now on, input comes from /dev/null. */
void daemon_redirect(int log_fd);

#endif
