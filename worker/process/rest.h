/* SPDX-License-Identifier: MIT
 *
 * Tells of what no line of the log has told, when the burst that a first line announced is over
 * (news.h): how much it was, and not only how it began. Changes nothing else. Called by
 * control.c with each beat.
 */
#ifndef CREWMAN_REST_H
#define CREWMAN_REST_H

struct worker;

void rest_beat(struct worker *worker);

#endif
