/* SPDX-License-Identifier: MIT
 *
 * Becoming a daemon: the command waits in the parent until the start is decided; the child
 * leaves terminal, session and folder.
 */
#ifndef CREWMAN_DAEMON_H
#define CREWMAN_DAEMON_H

/* What the child writes to the report: DAEMON_LIVES each DAEMON_LIFE_MS, at last the exit code
 * of the start, which is less. */
#define DAEMON_LIVES   0xffu
#define DAEMON_LIFE_MS 1000u

/* Fork, with the signals of signals_hold() held back. In the child answers the descriptor to
 * report on. The parent does not come back: it exits with the code of the start, or 1 when the
 * child dies before, says nothing for 15 s, or a signal ends the wait; then the child is
 * stopped. A negative errno number: nothing was forked. */
int daemon_fork(void);

/* Standard input is /dev/null from now on. */
void daemon_drop_input(void);

#endif
