/* SPDX-License-Identifier: MIT
 *
 * See worker.h.
 */
#include "worker.h"

static struct worker *self;

struct worker *worker_self(void) {
    return self;
}

void worker_claim(struct worker *worker) {
    self = worker;
}
