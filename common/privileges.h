/* SPDX-License-Identifier: MIT
 *
 * What a process may do beyond its user, in the kernel's terms: capabilities, and rights that a
 * program brings along. Only ever given up. Used by identity.c and by crewman-worker.
 */
#ifndef CREWMAN_PRIVILEGES_H
#define CREWMAN_PRIVILEGES_H

/* No program that is started from here on brings rights with it (setuid, file capabilities).
 * 0 or a negative errno number. */
int privileges_pin(void);

/* No program that is started from here on can have a capability. Needs CAP_SETPCAP; without it
 * nothing happens. Before the user changes. */
void privileges_bound(void);

/* Give up all capabilities, and check that none is left. 0 or a negative errno number, which
 * must be fatal to the caller. */
int privileges_drop(void);

/* The session keyring of whoever started us, which a change of the user does not take away:
 * from here on an empty one. Before the user changes: one of ours does not count against the
 * few that a user may have. 0, also where the kernel has no keys or lets nobody at them, or a
 * negative errno number, which must be fatal to the caller. */
int privileges_leave_keys(void);

#endif
