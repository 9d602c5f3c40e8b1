/* SPDX-License-Identifier: MIT
 *
 * What a process takes over of signals from whoever started it, and what it hands on to the
 * programs that it starts. Called by main() of each program, before anything else. Decides
 * nothing about what a signal means.
 */
#ifndef CREWMAN_SIGNALS_H
#define CREWMAN_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

/* What was ignored is so no more, and no timer sends a signal: both survive exec. HUP, INT and
 * QUIT stay ignored, as nohup(1) and shells mean it. The mask stays. */
void signals_reset(void);

/* Does this process ignore it? */
bool signals_ignores(int number);

/* The signals that people send to an instance wait until signals_release(): a process that has
 * no handlers yet would die of them. */
void signals_hold(void);

/* The mask of signals_hold(), for a child that is to begin with it. */
void signals_held(sigset_t *out_set);

/* No signal is blocked any more. */
void signals_release(void);

/* Nothing happens here at this signal. Programs that are started meet it in its default form,
 * which is not so after SIG_IGN. */
void signals_disregard(int number);

#endif
