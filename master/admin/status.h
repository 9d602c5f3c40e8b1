/* SPDX-License-Identifier: MIT
 *
 * The picture of an instance as JSON, for `crewman status` and `connections`.
 */
#ifndef CREWMAN_STATUS_H
#define CREWMAN_STATUS_H

#include <jansson.h>

struct instance;

/* {"master": {…}, "workers": [one row for each process, and for each slot that has none],
 * "totals": {…}}; a new reference. */
json_t *status_make(const struct instance *instance);

/* {"workers": [{"service", "slot", "generation", "pid"}]}, "service" being the name of the
 * process; a new reference. */
json_t *status_roster(const struct instance *instance);

#endif
