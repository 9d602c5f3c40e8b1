/* SPDX-License-Identifier: MIT
 *
 * Which child of a pool may read whose page: those in neighbouring slots, each way. A child
 * hears of a page once its owner is ready, and of its end. Told by the supervisor.
 */
#ifndef CREWMAN_SIBLINGS_H
#define CREWMAN_SIBLINGS_H

struct child;

/* So many slots on either side, round the ring: what one child hears stays bounded however many
 * there are. */
#define SIBLINGS_REACH 32u

/* A new child hears of those that are ready. */
void siblings_greet(struct child *child);

/* This child is ready: the others hear of it. */
void siblings_announce(struct child *child);

/* This child has ended. */
void siblings_withdraw(struct child *child);

#endif
