/* SPDX-License-Identifier: MIT
 *
 * The kind of child that serves connections: crewman-worker.
 */
#ifndef CREWMAN_KIND_WORKER_H
#define CREWMAN_KIND_WORKER_H

#include "kind.h"

const struct kind *kind_worker(void);

#endif
