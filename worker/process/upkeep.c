/* SPDX-License-Identifier: MIT
 *
 * See upkeep.h. malloc(3) keeps what is freed, and long messages leave holes in it that only
 * malloc_trim(3) gives back. It walks over all of the heap: only after much was freed, and in a
 * quiet second; but not never, where no second is quiet.
 */
#include "upkeep.h"

#include <inttypes.h>
#include <malloc.h>

#include "log.h"
#include "worker.h"

/* Freed since the last time. */
#define TRIM_MIN ((size_t)16 * 1024u * 1024u)

/* Turns of a second in which hardly anything happens; and beats until it does not matter. */
#define QUIET_TURNS 100u
#define PUT_OFF_MAX 10u

void upkeep_start(struct worker *worker) {
    uint64_t memory = worker->plan.services[0].config.limits.memory;
    if (memory > 0)
        worker->conns.budget.limit = (size_t)memory;
}

static void log_shed(struct worker *worker) {
    const struct conns *conns = &worker->conns;
    uint64_t count = conns->totals.shed - worker->upkeep.shed;
    struct crew_addr client;
    if (count == 0)
        return;
    worker->upkeep.shed = conns->totals.shed;
    address_show(&conns->shed_last, &client);
    log_warning("limits.memory (%zu bytes) was reached: %" PRIu64
                " connections closed, the last of %s",
                conns->budget.limit, count, *client.text ? client.text : "a local peer");
}

static bool is_quiet(struct worker *worker) {
    struct upkeep *upkeep = &worker->upkeep;
    uint64_t turns = score_get(worker->line->turns), since = turns - upkeep->turns;
    upkeep->turns = turns;
    return since <= QUIET_TURNS;
}

static void trim(struct worker *worker) {
    struct budget *budget = &worker->conns.budget;
    struct upkeep *upkeep = &worker->upkeep;
    bool is_now = is_quiet(worker) || upkeep->put_off >= PUT_OFF_MAX;
    if (budget->peak - budget->held < TRIM_MIN)
        return;
    if (!is_now) {
        upkeep->put_off++;
        return;
    }
    upkeep->put_off = 0;
    budget_forget_peak(budget);
    malloc_trim(0);
}

void upkeep_beat(struct worker *worker) {
    log_shed(worker);
    trim(worker);
}
