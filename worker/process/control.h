/* SPDX-License-Identifier: MIT
 *
 * The worker's side of the control pipe: hello, plan, ready or failed, a beat a second, drain,
 * reopen_logs. The master's death (the pipe closes) drains the worker.
 */
#ifndef CREWMAN_CONTROL_H
#define CREWMAN_CONTROL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "channel.h"
#include "countdown.h"

struct worker;

struct control {
    struct channel *channel;
    uv_timer_t beat;
    struct countdown plan; /* it must come by then */
    bool has_plan;
    uint64_t beat_at_us;   /* of the last beat */
    uint64_t worst_lag_us; /* since the last beat */
};

int control_start(struct worker *worker);
void control_stop(struct worker *worker);

/* Tell the master; also when the channel has gone. */
void control_send_drained(struct worker *worker);

#endif
