/* SPDX-License-Identifier: MIT
 *
 * Text on its way out of the master: to the log, to the terminal. A thread of its own writes,
 * for write(2) and open(2) may block whatever the flags of a descriptor say; who puts something
 * in never waits. What the bounded ring cannot take, or the descriptor refuses, is counted, and
 * said once writing works again. Called from the loop's thread; never calls back but by the
 * uv_async_t that it was given.
 */
#ifndef CREWMAN_OUTLET_H
#define CREWMAN_OUTLET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct outlet;
struct trust;

/* `fd` is borrowed; -1: none until outlet_switch(), what it is put waits. `tells_losses`: with
 * a line of the log. NULL: no thread can be started. */
struct outlet *outlet_open(int fd, bool tells_losses);

/* Whole lines, taken or counted as lost: -ENOBUFS. Never waits. */
int outlet_put(struct outlet *outlet, const char *text, size_t len);

/* Bytes that are not written yet, and lines that never will be. */
size_t outlet_waiting(struct outlet *outlet);
uint64_t outlet_lost(struct outlet *outlet);

/* Open that file in the thread and write there from then on; what fails leaves all as it is.
 * One at a time: -EBUSY. Ends with outlet_has_switched(), told by the waker. */
int outlet_switch(struct outlet *outlet, const struct trust *trust, const char *path);

/* Is the last outlet_switch() over? Then *out_err is 0, or negative with a line for people. */
bool outlet_has_switched(struct outlet *outlet, int *out_err, char *out_why, size_t size);

/* The same, at most `ms` later: for the start, when there is nobody to serve yet. */
bool outlet_await_switch(struct outlet *outlet, unsigned ms, int *out_err, char *out_why,
                         size_t size);

/* Wakes the loop at the end of a switch; NULL: no more. */
void outlet_set_waker(struct outlet *outlet, uv_async_t *waker);

/* Standard output and error are this file from now on, after each switch too. */
void outlet_become_standard(struct outlet *outlet);

/* Wait at most `ms` until all is written. */
bool outlet_flush(struct outlet *outlet, unsigned ms);

/* As outlet_flush(), and the end of it. A thread that is stuck in a system call is left behind:
 * it ends with the process, or when the call is back. NULL is allowed. */
void outlet_close(struct outlet *outlet, unsigned ms);

#endif
