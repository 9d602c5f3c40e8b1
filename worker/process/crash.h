/* SPDX-License-Identifier: MIT
 *
 * What a worker that dies of a fault leaves behind: where it was, as numbers on its page, from
 * which the master writes the obituary. The process then ends as it would have without us, with
 * its core. Allocates nothing and takes no lock once a fault has come.
 */
#ifndef CREWMAN_CRASH_H
#define CREWMAN_CRASH_H

#include "scoreboard.h"

/* From now on faults are noted on `page`. An app that has handlers of its own has them. Nothing
 * happens in a program built with a sanitizer, whose report is worth more. */
void crash_watch(struct score_page *page);

/* Behind the loading of an app: `within` is an address in it, by which its code is known. */
void crash_know_app(const void *within);

/* The page goes. */
void crash_forget(void);

#endif
